"""Bodies flow while they come, both ways, and what breaks on one side breaks on the other."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from conftest import (
    OK,
    RawUpstream,
    Running,
    eventually,
    parse,
    read_all,
    read_body,
    read_head,
    receive,
)

Pair = tuple[Running, RawUpstream]
Start = Callable[..., Running]

GET = b"GET /posts HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(length: int, *lines: bytes) -> bytes:
    head = [b"POST /users HTTP/1.1", b"Host: a", b"Content-Length: %d" % length, *lines]
    return b"\r\n".join(head) + b"\r\n\r\n"


@pytest.mark.parametrize("kind", [b"text/event-stream", b"application/json"])
def test_the_first_byte_arrives_before_the_last_is_written(pair: Pair, kind: bytes) -> None:
    gateway, raw = pair
    go_on = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\n")
        sock.sendall(b"Transfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n")
        assert go_on.wait(5)
        sock.sendall(b"5\r\nlast\n\r\n0\r\n\r\n")

    raw.script = script
    with gateway.connect() as sock:
        sock.sendall(GET)
        _, rest = read_head(sock)
        while b"first" not in rest:
            rest += receive(sock)
        go_on.set()
        while not rest.endswith(b"0\r\n\r\n"):
            rest += receive(sock)
    assert b"last" in rest


def test_the_head_arrives_before_the_body_begins(pair: Pair) -> None:
    gateway, raw = pair
    go_on = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        assert go_on.wait(5)
        sock.sendall(b"ok")

    raw.script = script
    with gateway.connect() as sock:
        sock.sendall(GET)
        _, rest = read_head(sock)
        assert rest == b""
        go_on.set()
        assert receive(sock) == b"ok"


@pytest.mark.parametrize("chunked", [True, False])
def test_the_upstream_gets_the_first_of_a_body_before_the_client_sends_the_rest(
    pair: Pair, chunked: bool
) -> None:
    gateway, raw = pair
    seen = threading.Event()

    def script(sock: socket.socket, data: bytes) -> None:
        head, _, rest = data.partition(b"\r\n\r\n")
        while b"first" not in rest:
            rest += receive(sock)
        seen.set()
        read_body(sock, head + b"\r\n\r\n", rest)
        sock.sendall(OK)

    raw.script = script
    with gateway.connect() as sock:
        if chunked:
            sock.sendall(b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            sock.sendall(b"5\r\nfirst\r\n")
        else:
            sock.sendall(post(9) + b"first")
        assert seen.wait(5)
        sock.sendall(b"4\r\nrest\r\n0\r\n\r\n" if chunked else b"rest")
        assert b" 200 " in read_head(sock)[0]


def test_a_slow_reader_slows_the_upstream(pair: Pair) -> None:
    gateway, raw = pair
    written = [0]

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _count in range(1000):
            sock.sendall(b"x" * 100_000)
            written[0] += 100_000

    raw.script = script
    with gateway.connect() as sock:
        sock.sendall(GET)
        read_head(sock)
        before = -1
        while before != written[0]:  # until it has come to rest
            before = written[0]
            time.sleep(0.3)
        assert written[0] < 50_000_000
        taken = 0
        while taken < 99_000_000:
            taken += len(receive(sock))


def test_a_slow_upstream_slows_the_sender(start_with_room: Running, upstream: RawUpstream) -> None:
    go_on = threading.Event()

    def script(sock: socket.socket, data: bytes) -> None:
        assert go_on.wait(10)
        missing = 50_000_000 - len(data.partition(b"\r\n\r\n")[2])
        while missing:
            missing -= len(receive(sock))
        sock.sendall(OK)

    upstream.script = script
    with start_with_room.connect(0.5) as sock:
        sock.sendall(post(50_000_000))
        sent = 0
        with suppress(TimeoutError):
            while sent < 50_000_000:
                sent += sock.send(b"x" * 100_000)
        assert sent < 50_000_000
        go_on.set()
        sock.settimeout(10)
        while sent < 50_000_000:
            sent += sock.send(b"x" * min(100_000, 50_000_000 - sent))
        assert b" 200 " in read_head(sock)[0]


@pytest.fixture
def start_with_room(gateway: Start, upstream: RawUpstream, tmp_path: Any) -> Running:
    """A gateway whose platform routes take bodies of any size."""
    file = tmp_path / "room.toml"
    file.write_text(
        f'keys_from = "x"\n[upstreams.x]\nurl = "{upstream.url}"\n'
        '[[routes]]\nprefix = "/users"\nupstream = "x"\nmax_body = 10_000_000_000\n'
    )
    return gateway(upstream.url, routes_file=file)


@pytest.mark.parametrize("abrupt", [True, False])
@pytest.mark.parametrize("answered", [True, False])
def test_a_client_that_goes_away_ends_the_upstream_s_request(
    pair: Pair, abrupt: bool, answered: bool
) -> None:
    gateway, raw = pair
    asked, ended = threading.Event(), threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        if answered:
            sock.sendall(CHUNKED + b"2\r\nok\r\n")
        asked.set()
        with suppress(ConnectionError):
            sock.recv(1)
        ended.set()
        raise ConnectionError

    raw.script = script
    with gateway.connect() as sock:
        if abrupt:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(GET)
        if answered:
            read_head(sock)
        assert asked.wait(5)
    assert ended.wait(0.25)


BROKEN_BODIES = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart", b""),
    (CHUNKED + b"4\r\npart\r\n", b""),
    (CHUNKED + b"4\r\npart\r\n", b"zz\r\n"),
    (CHUNKED + b"4\r\npart\r\n", b"4\r\npa"),
]


@pytest.mark.parametrize(("first", "last"), BROKEN_BODIES)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_an_upstream_that_dies_in_mid_body_breaks_the_client_s_connection(
    pair: Pair, first: bytes, last: bytes, version: bytes
) -> None:
    """RFC 9112, section 8: an incomplete message must be recognisable."""
    gateway, raw = pair
    arrived = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(first)
        assert arrived.wait(5)
        sock.sendall(last)
        raise ConnectionError

    raw.script = script
    with gateway.connect() as sock:
        sock.sendall(GET.replace(b"1.1", version))
        head, rest = read_head(sock)
        while b"part" not in rest:
            rest += receive(sock)
        arrived.set()
        ended_by: type[Exception] = ConnectionError
        try:
            while piece := sock.recv(65536):
                rest += piece
        except ConnectionResetError:
            ended_by = ConnectionResetError
    if b"content-length: 100" not in head and b"chunked" not in head:
        assert ended_by is ConnectionResetError  # nothing else would tell
    assert not rest.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("status", [401, 413])
@pytest.mark.parametrize("size", [10, 10_000, 1_000_000])
@pytest.mark.parametrize("closes", [True, False])
def test_an_answer_before_the_request_s_end_reaches_the_client(
    pair: Pair, status: int, size: int, closes: bool
) -> None:
    """RFC 9112, section 9.3 and 9.6."""
    gateway, raw = pair

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 %d Early\r\nContent-Length: 5\r\n\r\nearly" % status)
        if closes:
            raise ConnectionError
        read_all(sock)

    raw.script = script
    for part in (b"", b"x", b"x" * (size // 2)):
        with gateway.connect() as sock:
            sock.sendall(post(size, b"Connection: close") + part)
            answer = parse(read_all(sock))
        assert (answer.status, answer.body) == (status, b"early")
        assert answer.all(b"connection") == [b"close"]


def test_an_early_answer_is_not_lost_when_the_client_goes_on_sending(pair: Pair) -> None:
    gateway, raw = pair

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 413 Early\r\nContent-Length: 5\r\n\r\nearly")
        raise ConnectionError

    raw.script = script
    for _ in range(20):
        with gateway.connect() as sock:
            sock.sendall(post(2_000_000, b"Connection: close"))
            with suppress(ConnectionError):
                for _ in range(20):
                    sock.sendall(b"x" * 100_000)
            assert parse(read_all(sock)).status == 413


def test_expect_100_continue_is_relayed(pair: Pair) -> None:
    """RFC 9110, section 10.1.1."""
    gateway, raw = pair
    granted = threading.Event()

    def script(sock: socket.socket, data: bytes) -> None:
        assert data.endswith(b"\r\n\r\n")
        assert granted.wait(5)
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert receive(sock) == b"body"
        sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK)

    raw.script = script
    with gateway.connect() as sock:
        sock.sendall(post(4, b"Expect: 100-continue"))
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        granted.set()
        sock.settimeout(5)
        assert read_head(sock)[0] == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"body")
        assert b" 200 " in read_head(sock)[0]


def test_an_expectation_may_be_refused_before_the_body(pair: Pair) -> None:
    gateway, raw = pair
    raw.script = lambda sock, _: sock.sendall(OK.replace(b"200 OK", b"413 No"))
    with gateway.connect() as sock:
        sock.sendall(post(4, b"Expect: 100-continue"))
        head, _ = read_head(sock)
    assert head.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in head


def test_a_body_that_was_promised_and_not_sent_is_not_taken_from_the_next_request(
    pair: Pair,
) -> None:
    """RFC 9112, section 9.3: a connection is good for more when the whole request was sent."""
    gateway, raw = pair
    used: list[int] = []

    def script(sock: socket.socket, data: bytes) -> None:
        used.append(id(sock))
        if b"expect" not in data:
            sock.sendall(OK)
            return
        sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n")
        time.sleep(0.05)  # so that the refusal is known before the response is whole
        sock.sendall(b"early")

    raw.script = script
    for named in (b"X: y", b"Connection: expect"):
        used.clear()
        with gateway.connect() as sock:
            sock.sendall(post(50, b"Expect: 100-continue", named))
            assert read_all(sock).endswith(b"early")
        assert gateway.get("/users").body == b"ok"
        assert used[0] != used[1]


def test_connection_cannot_remove_the_expectation(pair: Pair) -> None:
    """RFC 9110, section 7.6.1: the body would wait for what nobody was asked for."""
    gateway, raw = pair
    gateway.get("/users", b"Expect: 100-continue", b"Connection: expect", method="POST", body=b"x")
    assert b"expect: 100-continue\r\n" in raw.requests[-1]


def test_an_upstream_that_does_not_know_expect_gets_the_body_after_a_second(pair: Pair) -> None:
    gateway, _ = pair
    with gateway.connect() as sock:
        sock.sendall(post(4, b"Expect: 100-continue"))
        assert read_head(sock)[0] == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"body")
        assert b" 200 " in read_head(sock)[0]


def test_both_directions_can_flow_at_once(pair: Pair) -> None:
    gateway, raw = pair

    def script(sock: socket.socket, data: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        echo = data.partition(b"\r\n\r\n")[2]
        sock.sendall(echo)
        while len(echo) < 10:
            piece = receive(sock)
            echo += piece
            sock.sendall(piece)

    raw.script = script
    with gateway.connect() as sock:
        sock.sendall(post(10) + b"01")
        _, got = read_head(sock)
        for part in (b"23", b"45", b"67", b"89"):
            sock.sendall(part)
            while part not in got:
                got += receive(sock)
    assert got == b"0123456789"


def test_a_response_in_very_small_pieces_is_whole(pair: Pair) -> None:
    gateway, raw = pair

    def script(sock: socket.socket, _: bytes) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"HTTP/1.1 200 OK\r\nX-Long: abc\r\nContent-Length: 2\r\n\r\nok":
            sock.sendall(bytes([byte]))

    raw.script = script
    answer = gateway.get("/posts")
    assert (answer.body, answer.all(b"x-long")) == (b"ok", [b"abc"])


def test_a_request_in_very_small_pieces_is_whole(pair: Pair) -> None:
    gateway, raw = pair
    with gateway.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post(3, b"X-Long: abc", b"Connection: close") + b"xyz":
            sock.sendall(bytes([byte]))
        assert parse(read_all(sock)).status == 200
    assert b"x-long: abc\r\n" in raw.requests[-1]
    assert raw.requests[-1].endswith(b"xyz")


def test_the_answer_on_head_and_then_on_get_of_one_connection_are_not_mixed_up(pair: Pair) -> None:
    gateway, raw = pair
    raw.reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    assert gateway.get("/posts", method="HEAD").status == 200
    raw.reply = OK
    assert gateway.get("/posts").body == b"ok"
    raw.reply = OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    assert gateway.get("/posts").body == b"ok"
    raw.reply = OK
    eventually(lambda: gateway.get("/posts").body == b"ok")
