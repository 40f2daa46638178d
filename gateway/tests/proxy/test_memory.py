"""A body of a gibibyte is never held in memory."""

import socket
from contextlib import suppress
from pathlib import Path

import pytest
from support.process import Process, StartProcess
from support.upstream import RawUpstream
from support.wire import OK, read_all, read_head, receive

pytestmark = pytest.mark.slow
GIB = 1024**3
PIECE = b"x" * 262_144


def resident(it: Process) -> int:
    """Return the bytes of memory that a gateway uses now."""
    status = Path(f"/proc/{it.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


@pytest.fixture
def roomy(start: StartProcess, upstream: RawUpstream, tmp_path: Path) -> Process:
    """A gateway of its own that takes bodies of any size, and has been warmed up."""
    file = tmp_path / "routes.toml"
    file.write_text(
        f'[upstreams.x]\nurl = "{upstream.url}"\n'
        f'[[routes]]\nprefix = "/users"\nupstream = "x"\nmax_body = {2 * GIB}\n'
    )
    it = start(GATEWAY_ROUTES_FILE=str(file))
    it.wait_until_up()
    for _ in range(10):
        with it.connect() as sock:
            sock.sendall(b"GET /users HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert b" 200 " in read_all(sock)
    return it


def test_a_download_of_a_gibibyte_is_not_held_in_memory(
    roomy: Process, upstream: RawUpstream
) -> None:
    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIB)
        for _count in range(GIB // len(PIECE)):
            sock.sendall(PIECE)

    upstream.script = script
    before, most = resident(roomy), 0
    with roomy.connect() as sock:
        sock.sendall(b"GET /users HTTP/1.1\r\nHost: a\r\n\r\n")
        taken = len(read_head(sock)[1])
        while taken < GIB:
            taken += len(receive(sock))
            most = max(most, resident(roomy)) if taken % 16 == 0 else most
    assert taken == GIB
    assert max(most, resident(roomy)) - before < 32 * 1024**2


@pytest.mark.parametrize("chunked", [True, False])
def test_an_upload_of_a_gibibyte_is_not_held_in_memory(
    roomy: Process, upstream: RawUpstream, chunked: bool
) -> None:
    arrived = [0]

    def script(sock: socket.socket, data: bytes) -> None:
        arrived[0] = len(data.partition(b"\r\n\r\n")[2])
        while arrived[0] < GIB:
            arrived[0] += len(receive(sock))
        with suppress(TimeoutError):
            sock.settimeout(0.5)
            sock.recv(1_000_000)
        sock.sendall(OK)
        raise ConnectionError

    upstream.script = script
    before, most = resident(roomy), 0
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % GIB
    piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    with roomy.connect() as sock:
        sock.sendall(b"POST /users HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n")
        for count in range(GIB // len(PIECE)):
            sock.sendall(piece)
            most = max(most, resident(roomy)) if count % 16 == 0 else most
        sock.sendall(b"0\r\n\r\n" if chunked else b"")
        assert b" 200 " in read_head(sock)[0]
    assert arrived[0] >= GIB
    assert max(most, resident(roomy)) - before < 32 * 1024**2
