"""A slow side slows the other one: the gateway holds little of a body."""

import socket
import threading
from contextlib import suppress

from support.gateway import Pair, Start
from support.upstream import RawUpstream
from support.waiting import PATIENCE
from support.wire import GET, OK, read_head, receive, upload

SIZE = 50_000_000


def test_a_slow_reader_slows_the_upstream(pair: Pair) -> None:
    gateway, raw = pair
    is_slowed, written = threading.Event(), [0]

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        written[0] = send_until_it_is_not_taken(sock, SIZE)
        is_slowed.set()
        sock.settimeout(PATIENCE)
        sock.sendall(b"x" * (SIZE - written[0]))

    raw.script = script
    with gateway.connect() as sock:
        sock.sendall(GET)
        _, rest = read_head(sock)
        assert is_slowed.wait(PATIENCE)
        assert written[0] < SIZE
        missing = SIZE - len(rest)
        while missing:
            missing -= len(receive(sock))


def test_a_slow_upstream_slows_the_sender(gateway: Start, upstream: RawUpstream) -> None:
    go_on = threading.Event()

    def script(sock: socket.socket, data: bytes) -> None:
        assert go_on.wait(PATIENCE)
        missing = SIZE - len(data.partition(b"\r\n\r\n")[2])
        while missing:
            missing -= len(receive(sock))
        sock.sendall(OK)

    upstream.script = script
    running = gateway(upstream.url, limits={"users": {"max_body": SIZE}})
    with running.connect() as sock:
        sock.sendall(upload(SIZE))
        sent = send_until_it_is_not_taken(sock, SIZE)
        assert sent < SIZE
        go_on.set()
        sock.settimeout(PATIENCE)
        sock.sendall(b"x" * (SIZE - sent))
        assert b" 200 " in read_head(sock)[0]


def send_until_it_is_not_taken(sock: socket.socket, size: int) -> int:
    """Send up to `size` bytes; return how many were taken before the other side stopped."""
    sock.settimeout(0.5)
    sent = 0
    with suppress(TimeoutError):
        while sent < size:
            sent += sock.send(b"x" * min(100_000, size - sent))
    return sent
