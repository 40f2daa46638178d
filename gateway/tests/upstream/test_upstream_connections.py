"""Connections to upstreams: reused, closed in time, and still good after cancellations."""

import socket
import threading
import time
from contextlib import suppress

import pytest
from support.gateway import Pair, Running, Start
from support.upstream import RawUpstream
from support.waiting import PATIENCE, eventually
from support.wire import GET, OK, read_head, upload


def test_a_connection_is_reused(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url, limits={"defaults": {"keep_alive": 600.0}})
    for _ in range(20):
        running.get("/posts")
    assert upstream.connections <= 2


def test_a_large_body_leaves_the_kept_connection_to_others(
    gateway: Start, upstream: RawUpstream
) -> None:
    """An answer before the body's end makes its connection useless."""
    by_method: dict[bytes, set[int]] = {b"GET": set(), b"POST": set()}

    def script(sock: socket.socket, data: bytes) -> None:
        method = data.split(b" ")[0]
        by_method[method].add(sock.getpeername()[1])
        sock.sendall(OK)
        if method == b"POST":
            raise ConnectionError

    upstream.script = script
    running = gateway(upstream.url, limits={"defaults": {"keep_alive": 600.0}})
    for _ in range(5):
        running.get("/posts")
        with running.connect() as sock:
            head = upload(500_000).replace(b"/users", b"/posts")
            sock.sendall(head + b"x")  # and no more, so that the answer is an early one
            assert b" 200 " in read_head(sock)[0]
    assert len(by_method[b"GET"]) == 1
    assert len(by_method[b"POST"]) == 5


def test_closed_connections_are_forgotten_although_each_large_body_brings_one(
    gateway: Start, upstream: RawUpstream
) -> None:
    upstream.script = lambda sock, _: sock.sendall(OK)
    running = gateway(upstream.url, limits={"defaults": {"keep_alive": 0.1}})
    for _ in range(30):
        assert running.get("/posts", method="POST", body=b"x" * 500_000).status == 200
    [replica] = running.app.proxy.upstreams["blog-service"].replicas._replicas

    def has_few() -> bool:
        assert running.get("/posts").status == 200
        return len(replica._idle) < 5

    eventually(has_few)


def test_an_idle_connection_is_closed(gateway: Start, upstream: RawUpstream) -> None:
    closed = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(OK)
        with suppress(ConnectionError):
            if not sock.recv(1):
                closed.set()
        raise ConnectionError

    upstream.script = script
    gateway(upstream.url, limits={"defaults": {"keep_alive": 0.3}}).get("/posts")
    assert closed.wait(PATIENCE)


def test_answers_to_head_and_get_on_one_connection_are_not_mixed_up(pair: Pair) -> None:
    gateway, raw = pair
    raw.reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    assert gateway.get("/posts", method="HEAD").status == 200
    raw.reply = OK
    assert gateway.get("/posts").body == b"ok"
    raw.reply = OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    assert gateway.get("/posts").body == b"ok"
    raw.reply = OK
    eventually(lambda: gateway.get("/posts").body == b"ok")


def test_cancelled_requests_leave_connections_that_work(
    gateway: Start, upstream: RawUpstream
) -> None:
    cancel_many(gateway(upstream.url), upstream, 300)


@pytest.mark.slow
def test_5000_cancelled_requests_leave_connections_that_work(
    gateway: Start, upstream: RawUpstream
) -> None:
    cancel_many(gateway(upstream.url), upstream, 5000)


def cancel_many(running: Running, upstream: RawUpstream, times: int) -> None:
    def script(sock: socket.socket, _: bytes) -> None:
        time.sleep(0.015)  # too late for some of the clients
        sock.sendall(OK)

    upstream.script = script
    for start in range(0, times, 50):
        socks = [running.connect() for _ in range(50)]
        for index, sock in enumerate(socks):
            sock.sendall(GET)
            time.sleep((start + index) % 4 / 5000)  # so that they leave at different points
            if index >= 10:
                socks[index - 10].close()
        for sock in socks:
            sock.close()
    upstream.script = None
    assert [running.get("/posts").status for _ in range(50)] == [200] * 50
    eventually(lambda: running.in_flight == running.waiting == 0)
