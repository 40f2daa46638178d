"""Bodies flow while they come, both ways."""

import socket
import threading

import pytest
from support.gateway import Pair
from support.waiting import PATIENCE
from support.wire import GET, OK, parse, read_all, read_body, read_head, receive, upload


@pytest.mark.parametrize("kind", [b"text/event-stream", b"application/json"])
def test_the_first_byte_arrives_before_the_last_is_written(pair: Pair, kind: bytes) -> None:
    gateway, raw = pair
    go_on = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\n")
        sock.sendall(b"Transfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n")
        assert go_on.wait(PATIENCE)
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
        assert go_on.wait(PATIENCE)
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
            sock.sendall(upload(9) + b"first")
        assert seen.wait(PATIENCE)
        sock.sendall(b"4\r\nrest\r\n0\r\n\r\n" if chunked else b"rest")
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
        sock.sendall(upload(10) + b"01")
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
        for byte in upload(3, b"X-Long: abc", b"Connection: close") + b"xyz":
            sock.sendall(bytes([byte]))
        assert parse(read_all(sock)).status == 200
    assert b"x-long: abc\r\n" in raw.requests[-1]
    assert raw.requests[-1].endswith(b"xyz")
