"""Slow and idle clients are given up after the deadlines of the file of routes."""

import socket
import time
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from support.gateway import Start
from support.upstream import RawUpstream, hang
from support.wire import GET, OK, parse, read_all, read_body, read_head, upload

QUICK = {"client": {"header_timeout": 0.3, "body_timeout": 0.3, "keep_alive": 0.3}}
SLOW_REQUESTS = [
    ("half a request line", b"GET /po", 408),
    ("half a head", b"GET /posts HTTP/1.1\r\nHost: a\r\n", 408),
    ("half a body", b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx", 408),
    ("no body", b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", 408),
    (
        "half a chunk",
        b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nx",
        408,
    ),
]


@pytest.mark.parametrize(("what", "data", "status"), SLOW_REQUESTS)
def test_slow_requests_are_given_up(
    gateway: Start, upstream: RawUpstream, what: str, data: bytes, status: int
) -> None:
    """RFC 9110, section 15.5.9."""
    upstream.script = hang
    running = gateway(upstream.url, limits=QUICK)
    answer = running.send(data)
    assert (answer.status, answer.all(b"connection")) == (status, [b"close"]), what


def test_silent_and_idle_connections_are_closed(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url, limits=QUICK)
    with running.connect() as silent, running.connect() as idle:
        idle.sendall(GET)
        assert b" 200 " in read_all(idle)
        assert read_all(silent) == b""


def test_a_trickling_body_is_given_up_however_long_it_trickles(
    gateway: Start, upstream: RawUpstream
) -> None:
    running = gateway(upstream.url, limits=QUICK)
    with running.connect() as sock:
        sock.sendall(b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        sock.settimeout(0.05)
        got = b""
        for _ in range(100):
            with suppress(ConnectionError):
                sock.sendall(b"x")
            with suppress(TimeoutError):
                got += sock.recv(65536)
                break
        assert got.startswith(b"HTTP/1.1 408")


def test_a_steady_upload_ends_when_a_body_has_taken_its_time(
    gateway: Start, upstream: RawUpstream
) -> None:
    upstream.script = hang
    limits = {"client": {"body_timeout": 5.0, "min_body_rate": 1, "body_limit": 0.5}}
    with gateway(upstream.url, limits=limits).connect() as sock:
        sock.sendall(upload(1000))
        sock.settimeout(0.05)
        got = b""
        for _ in range(80):
            with suppress(ConnectionError):
                sock.sendall(b"x")
            with suppress(TimeoutError):
                got += sock.recv(65536)
                break
    assert got.startswith(b"HTTP/1.1 408 ")


def test_half_a_head_behind_a_request_has_as_long_as_any_other(
    gateway: Start, upstream: RawUpstream
) -> None:
    running = gateway(upstream.url, limits={"client": {"header_timeout": 0.3, "keep_alive": 30}})
    with running.connect() as sock:
        sock.sendall(GET + b"GET /x HTTP/1.1\r\n")
        answers = read_all(sock).split(b"HTTP/1.1 ")
    assert [answer[:3] for answer in answers] == [b"", b"200", b"408"]


def test_a_response_is_not_cut_by_the_idle_time_before_it(
    gateway: Start, upstream: RawUpstream
) -> None:
    def script(sock: socket.socket, data: bytes) -> None:
        if b"/posts/stream" not in data:
            sock.sendall(OK)
            return
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(8):
            sock.sendall(b"2\r\nok\r\n")
            time.sleep(0.1)
        sock.sendall(b"0\r\n\r\n")

    upstream.script = script
    running = gateway(upstream.url, limits={"client": {"keep_alive": 0.4}})
    with running.connect() as sock:
        sock.sendall(GET + b"GET /posts/stream HTTP/1.1\r\n")
        assert read_head(sock)[1] == b"ok"
        sock.sendall(b"Host: a\r\nConnection: close\r\n\r\n")
        assert read_all(sock).endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("stray", [b"G", b"GET /x", b"\r\n"])
def test_what_follows_a_request_does_not_cost_its_answer(
    gateway: Start, upstream: RawUpstream, stray: bytes
) -> None:
    def script(sock: socket.socket, _: bytes) -> None:
        time.sleep(1)  # longer than the rest of a head may take
        sock.sendall(OK)

    upstream.script = script
    running = gateway(upstream.url, limits={"client": {"header_timeout": 0.3, "keep_alive": 0.3}})
    with running.connect() as sock:
        sock.sendall(GET + stray)
        assert read_all(sock).startswith(b"HTTP/1.1 200 ")


def test_a_body_may_take_its_time_when_the_answer_has_begun(
    gateway: Start, upstream: RawUpstream
) -> None:
    def script(sock: socket.socket, data: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        sock.sendall(read_body(sock, *read_head(sock, data)))

    upstream.script = script
    running = gateway(upstream.url, limits={"defaults": {"between_bytes_timeout": 0.5}})
    with running.connect() as sock:
        sock.sendall(b"POST /users HTTP/1.1\r\nHost: a\r\nConnection: close\r\n")
        sock.sendall(b"Content-Length: 10\r\n\r\n")
        for _ in range(10):
            time.sleep(0.1)  # a client that is slow is meant
            sock.sendall(b"x")
        assert parse(read_all(sock)).body == b"x" * 10


def test_300_slow_clients_leave_others_alone(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url)
    body = b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx"
    with ExitStack() as stack:
        for index in range(300):
            sock = stack.enter_context(running.connect())
            sock.sendall((b"GET /posts HT", body, b"GET /posts HTTP/1.1\r\nX: y\r\n")[index % 3])
        began = time.monotonic()
        assert [running.get("/users").status for _ in range(50)] == [200] * 50
        assert time.monotonic() - began < 2


SLOW_STARTS = [
    b"",
    b"GET /po",
    b"GET /posts HTTP/1.1\r\nHost: a\r\nX: ",
    b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx",
    b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
]


@pytest.mark.slow
def test_300_trickling_clients_are_gone_within_30_seconds(
    gateway: Start, upstream: RawUpstream
) -> None:
    """With the deadlines as shipped; meanwhile others are answered as if nothing was."""
    running: Any = gateway(upstream.url)
    with ExitStack() as stack:
        socks = [stack.enter_context(running.connect()) for _ in range(300)]
        for index, sock in enumerate(socks):
            sock.sendall(SLOW_STARTS[index % len(SLOW_STARTS)])
            sock.setblocking(False)
        deadline = time.monotonic() + 30
        while socks:
            assert time.monotonic() < deadline, f"{len(socks)} are still there"
            began = time.monotonic()
            assert [running.get("/users").status for _ in range(10)] == [200] * 10
            assert time.monotonic() - began < 1
            socks = [sock for sock in socks if not is_over(sock)]
            time.sleep(0.5)


def is_over(sock: socket.socket) -> bool:
    """Trickle a byte; tell whether the gateway answered or closed."""
    try:
        sock.send(b"x")
        return sock.recv(65536) is not None
    except BlockingIOError:
        return False
    except OSError:
        return True
