"""Slow and idle clients are given up after the deadlines in the file of routes."""

import socket
import time
from contextlib import ExitStack, suppress

import pytest
from support.gateway import Running, Start
from support.upstream import RawUpstream, hang
from support.waiting import PATIENCE, eventually
from support.wire import GET, OK, parse, read_all, read_body, read_head, upload

SLOW_REQUESTS = {
    "half a request line": b"GET /po",
    "half a head": b"GET /posts HTTP/1.1\r\nHost: a\r\n",
    "half a body": upload(10) + b"x",
    "no body": upload(10),
    "half a chunk": (
        b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nx"
    ),
}


@pytest.mark.parametrize("part", SLOW_REQUESTS)
def test_a_request_that_does_not_arrive_in_time_is_408(
    gateway: Start, upstream: RawUpstream, part: str
) -> None:
    """RFC 9110, section 15.5.9."""
    upstream.script = hang
    running = gateway(upstream.url, limits={"client": {"header_timeout": 0.4, "body_timeout": 0.4}})
    answer = parse(answers_on(running, SLOW_REQUESTS[part]))
    assert (answer.status, answer.all(b"connection")) == (408, [b"close"])


def answers_on(running: Running, data: bytes) -> bytes:
    """Send a part of a request, and return everything that the gateway answers before it closes.

    A slow machine may miss even the deadline for the first byte; then it tries again.
    """
    got = b""
    for _ in range(5):
        with running.connect() as sock, suppress(ConnectionError):
            sock.sendall(data)
            got = read_all(sock)
        if got:
            break
    return got


def test_a_silent_connection_is_closed(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url, limits={"client": {"header_timeout": 0.3}})
    with running.connect() as silent:
        assert read_all(silent) == b""


def test_an_idle_connection_is_closed(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url, limits={"client": {"keep_alive": 0.3}})
    with running.connect() as idle:
        idle.sendall(GET)
        assert read_all(idle).endswith(b"\r\n\r\nok")


BODY_DEADLINES = [
    {"body_timeout": 0.3},
    {"body_timeout": 600.0, "body_limit": 0.5},  # for the whole body, however steadily it comes
]


@pytest.mark.parametrize("deadlines", BODY_DEADLINES, ids=["body_timeout", "body_limit"])
def test_a_trickling_body_is_given_up(
    gateway: Start, upstream: RawUpstream, deadlines: dict[str, float]
) -> None:
    running = gateway(upstream.url, limits={"client": deadlines})
    with running.connect() as sock:
        sock.sendall(upload(1_000_000))
        sock.settimeout(0.05)
        eventually(lambda: trickle(sock).startswith(b"HTTP/1.1 408 "))


def trickle(sock: socket.socket) -> bytes:
    """Send a byte of a body, and return the answer so far."""
    with suppress(ConnectionError):
        sock.sendall(b"x")
    with suppress(TimeoutError):
        return sock.recv(65536)
    return b""


def test_half_a_head_behind_a_request_has_as_long_as_any_other(
    gateway: Start, upstream: RawUpstream
) -> None:
    running = gateway(upstream.url, limits={"client": {"header_timeout": 0.4}})
    answers = answers_on(running, GET + b"GET /x HTTP/1.1\r\n").split(b"HTTP/1.1 ")
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
            time.sleep(0.1)  # in all longer than a connection may be idle
        sock.sendall(b"0\r\n\r\n")

    upstream.script = script
    running = gateway(
        upstream.url, limits={"client": {"keep_alive": 0.4, "header_timeout": PATIENCE}}
    )
    with running.connect() as sock:
        sock.sendall(GET + b"GET /posts/stream HTTP/1.1\r\n")
        assert read_head(sock)[1] == b"ok"
        sock.sendall(b"Host: a\r\nConnection: close\r\n\r\n")
        assert read_all(sock).endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("stray", [b"G", b"GET /x", b"\r\n"])
def test_bytes_behind_a_request_do_not_cost_its_answer(
    gateway: Start, upstream: RawUpstream, stray: bytes
) -> None:
    def script(sock: socket.socket, _: bytes) -> None:
        time.sleep(1)  # longer than the rest of a head may take
        sock.sendall(OK)

    upstream.script = script
    running = gateway(upstream.url, limits={"client": {"header_timeout": 0.4, "keep_alive": 0.4}})
    assert answers_on(running, GET + stray).startswith(b"HTTP/1.1 200 ")


def test_a_body_may_take_its_time_when_the_answer_has_begun(
    gateway: Start, upstream: RawUpstream
) -> None:
    def script(sock: socket.socket, data: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n")
        sock.sendall(read_body(sock, *read_head(sock, data)))

    upstream.script = script
    running = gateway(upstream.url, limits={"defaults": {"between_bytes_timeout": 3.0}})
    with running.connect() as sock:
        sock.sendall(upload(12, b"Connection: close"))
        for _ in range(12):
            time.sleep(0.3)  # in all longer than the upstream may be silent
            sock.sendall(b"x")
        assert parse(read_all(sock)).body == b"x" * 12


SLOW_STARTS = [
    b"",
    b"GET /po",
    b"GET /posts HTTP/1.1\r\nHost: a\r\nX: ",
    b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx",
    b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
]


def slow_clients(stack: ExitStack, running: Running) -> list[socket.socket]:
    """Connect 300 clients that have each sent the beginning of a request."""
    socks = [stack.enter_context(running.connect()) for _ in range(300)]
    for index, sock in enumerate(socks):
        sock.sendall(SLOW_STARTS[index % len(SLOW_STARTS)])
    return socks


def test_others_are_answered_while_300_slow_clients_are_waited_for(
    gateway: Start, upstream: RawUpstream
) -> None:
    patient = {"header_timeout": 600.0, "body_timeout": 600.0}
    running = gateway(upstream.url, limits={"client": patient})
    with ExitStack() as stack:
        slow_clients(stack, running)
        assert [running.get("/users").status for _ in range(50)] == [200] * 50
        assert len(running.connections) >= 300


@pytest.mark.slow
def test_300_trickling_clients_are_given_up(gateway: Start, upstream: RawUpstream) -> None:
    """With the deadlines as shipped. Others are answered meanwhile."""
    running = gateway(upstream.url)
    with ExitStack() as stack:
        socks = slow_clients(stack, running)
        for sock in socks:
            sock.setblocking(False)
        deadline = time.monotonic() + 10 * PATIENCE
        while socks:
            assert time.monotonic() < deadline, f"{len(socks)} are still there"
            assert [running.get("/users").status for _ in range(10)] == [200] * 10
            socks = [sock for sock in socks if not is_over(sock)]
            time.sleep(0.5)  # between two bytes of each slow client


def is_over(sock: socket.socket) -> bool:
    """Send another byte, and return whether the gateway answered or closed."""
    try:
        sock.send(b"x")
        return sock.recv(65536) is not None
    except BlockingIOError:
        return False
    except OSError:
        return True
