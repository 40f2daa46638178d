"""A slow side slows the other one; the gateway holds little of a body."""

import socket
import threading
import time
from contextlib import suppress

from support.gateway import Pair, Start
from support.upstream import RawUpstream
from support.wire import GET, OK, read_head, receive, upload


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


def test_a_slow_upstream_slows_the_sender(gateway: Start, upstream: RawUpstream) -> None:
    go_on = threading.Event()

    def script(sock: socket.socket, data: bytes) -> None:
        assert go_on.wait(10)
        missing = 50_000_000 - len(data.partition(b"\r\n\r\n")[2])
        while missing:
            missing -= len(receive(sock))
        sock.sendall(OK)

    upstream.script = script
    running = gateway(upstream.url, limits={"users": {"max_body": 50_000_000}})
    with running.connect(0.5) as sock:
        sock.sendall(upload(50_000_000))
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
