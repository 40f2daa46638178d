"""Clients that go away, and clients that only close their sending side."""

import gc
import socket
import struct
import threading
from contextlib import suppress
from typing import Any

import pytest
from support.gateway import Pair, Start
from support.upstream import RawUpstream, answer_after, hang
from support.waiting import PATIENCE, eventually
from support.wire import CHUNKED, GET, OK, read_head, receive

from gateway.client import connection


@pytest.mark.parametrize("abrupt", [True, False])
@pytest.mark.parametrize("answered", [True, False])
def test_a_client_that_goes_away_ends_its_request_upstream(
    pair: Pair, abrupt: bool, answered: bool
) -> None:
    gateway, raw = pair
    asked, ended = threading.Event(), threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        if answered:
            sock.sendall(CHUNKED + b"2\r\nok\r\n")
        asked.set()
        wait_for_the_end(sock, ended)

    raw.script = script
    with gateway.connect() as sock:
        if abrupt:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(GET)
        if answered:
            read_head(sock)
        assert asked.wait(PATIENCE)
    assert ended.wait(PATIENCE)


def test_a_client_that_goes_away_ends_its_pipelined_requests(pair: Pair) -> None:
    gateway, raw = pair
    ended = threading.Event()

    raw.script = lambda sock, _: wait_for_the_end(sock, ended)
    with gateway.connect() as sock:
        sock.sendall(GET * 2)
        eventually(lambda: raw.requests)
    assert ended.wait(PATIENCE)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    gc.collect()  # a task whose exception nobody retrieves says so when it is collected
    return [it.getMessage() for it in caplog.records if it.levelname in ("ERROR", "CRITICAL")]


def test_a_client_that_pipelines_and_leaves_is_no_error(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    gateway, raw = pair
    raw.script = hang
    for number in range(2, 6):
        sock = gateway.connect()
        raw.requests.clear()
        sock.sendall(GET * number)
        eventually(lambda: raw.requests)
        reset(sock)
        eventually(lambda: not gateway.connections and not gateway.in_flight)
    assert complaints(caplog) == []


@pytest.mark.parametrize("requests", [GET, GET * 3, b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" * 3])
def test_a_request_that_begins_after_its_client_has_left_is_no_error(
    pair: Pair,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    requests: bytes,
) -> None:
    gateway, raw = pair
    begun = threading.Event()
    begin = connection.ClientConnection._start_asgi_task

    def begin_late(self: Any, cycle: Any, app: Any) -> None:
        self.transport.abort()
        self.loop.call_later(0.01, begin, self, cycle, app)
        self.loop.call_later(0.02, begun.set)

    monkeypatch.setattr(connection.ClientConnection, "_start_asgi_task", begin_late)
    with gateway.connect() as sock:
        sock.sendall(requests)
        assert begun.wait(PATIENCE)
    eventually(lambda: not gateway.connections and not gateway.server.server_state.tasks)
    assert complaints(caplog) == []
    assert raw.requests == []


def wait_for_the_end(sock: socket.socket, ended: threading.Event) -> None:
    """Set the event when the gateway closes the connection."""
    with suppress(ConnectionError):
        sock.recv(1)
    ended.set()
    raise ConnectionError


def test_a_client_that_goes_away_ends_its_upload(gateway: Start, upstream: RawUpstream) -> None:
    over = threading.Event()

    def script(*_: object) -> None:
        over.wait(3 * PATIENCE)  # and read nothing

    upstream.script = script
    running = gateway(upstream.url, limits={"posts": {"max_body": 100_000_000}})
    with running.connect() as sock:
        sock.sendall(b"POST /posts HTTP/1.1\r\nHost: a\r\nContent-Length: 99000000\r\n\r\n")
        eventually(lambda: upstream.requests)
        (connection,) = running.connections

        def is_read_no_more() -> bool:
            if not connection.flow.read_paused:
                sock.sendall(b"x" * 100_000)
            return bool(connection.flow.read_paused)

        eventually(is_read_no_more)
    eventually(lambda: not running.in_flight)
    over.set()


def test_a_client_that_resets_between_two_answers_leaves_nothing_running(pair: Pair) -> None:
    gateway, raw = pair
    answer, answered = threading.Event(), threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        assert answer.wait(PATIENCE)
        sock.sendall(OK)
        raw.script = hang
        answered.set()

    for _ in range(50):
        answer.clear()
        answered.clear()
        raw.requests.clear()
        raw.script = script
        with gateway.connect() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(GET * 2)
            eventually(lambda: raw.requests)
            answer.set()
            assert answered.wait(PATIENCE)
    eventually(lambda: not gateway.in_flight)


def test_a_client_that_only_closes_its_sending_side_gets_its_answer(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HALF_CLOSED", PATIENCE)
    gateway, raw = pair
    half_closed = threading.Event()
    raw.script = answer_after(half_closed)
    with gateway.connect() as sock:
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        half_closed.set()
        read_answers(sock, 1)


def test_a_client_that_pipelines_and_closes_its_sending_side_gets_its_answers(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HALF_CLOSED", PATIENCE)
    gateway, raw = pair
    noticed = threading.Event()
    has_left = connection.ClientConnection._has_left

    def noticing(self: connection.ClientConnection) -> bool:
        seen = has_left(self)
        if seen:
            self.loop.call_soon(noticed.set)  # after the gateway has reacted
        return seen

    monkeypatch.setattr(connection.ClientConnection, "_has_left", noticing)
    raw.script = answer_after(noticed)
    with gateway.connect() as sock:
        sock.sendall(GET * 2)
        sock.shutdown(socket.SHUT_WR)
        read_answers(sock, 2)


def read_answers(sock: socket.socket, count: int) -> None:
    got = b""
    while got.count(b"\r\n\r\nok") < count:
        got += receive(sock)
