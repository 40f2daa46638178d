"""What clients may do on their connections, and what happens to those that do otherwise."""

import gc
import json
import socket
import struct
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from conftest import (
    OK,
    Answer,
    RawUpstream,
    Running,
    eventually,
    hang,
    parse,
    read_all,
    read_head,
    receive,
)

from gateway import protocol, server

Pair = tuple[Running, RawUpstream]
Start = Callable[..., Running]

GET = b"GET /posts HTTP/1.1\r\nHost: a\r\n\r\n"


def upload(length: int, body: bytes = b"") -> bytes:
    return b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length + body


# Several requests on one connection: RFC 9112, section 9.3.2.


def test_so_many_pipelined_requests_are_answered_and_no_more(pair: Pair) -> None:
    gateway, raw = pair
    go_on = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        assert go_on.wait(5)
        sock.sendall(OK)

    raw.script = script
    with gateway.connect() as sock:
        sock.sendall(GET * 1000)
        eventually(lambda: raw.requests)
        go_on.set()
        answers = read_all(sock)
    assert answers.count(b"HTTP/1.1 200 ") == 17
    last = parse(answers[answers.rindex(b"HTTP/1.1 ") :])
    assert (last.status, last.all(b"retry-after")) == (429, [b"1"])
    assert len(raw.requests) == 17
    value_of = gateway.app.metrics.registry.get_sample_value  # it is no rate limit's refusal
    assert value_of("gateway_limited_total", {"route": "/posts"}) is None


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


def test_half_a_head_behind_a_request_has_as_long_as_any_other(
    gateway: Start, upstream: RawUpstream
) -> None:
    running = gateway(upstream.url, limits={"client": {"header_timeout": 0.3, "keep_alive": 30}})
    with running.connect() as sock:
        sock.sendall(GET + b"GET /x HTTP/1.1\r\n")
        answers = read_all(sock).split(b"HTTP/1.1 ")
    assert [answer[:3] for answer in answers] == [b"", b"200", b"408"]


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01", b"GET /posts HTTP/1.1\r\nHost : a\r\n\r\n"])
def test_garbage_behind_a_request_is_refused_after_its_answer(pair: Pair, garbage: bytes) -> None:
    gateway, _ = pair
    with gateway.connect() as sock:
        sock.sendall(GET + garbage)
        answers = read_all(sock).split(b"HTTP/1.1 ")
    assert [answer[:3] for answer in answers] == [b"", b"200", b"400"]


def test_a_body_that_turns_into_garbage_after_the_answer_does_no_harm(pair: Pair) -> None:
    gateway, raw = pair
    raw.script = lambda sock, _: sock.sendall(OK)
    head = b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    with gateway.connect() as sock:
        sock.sendall(head)
        assert read_head(sock)[1] == b"ok"
        sock.sendall(b"zz\r\n")
        assert read_all(sock) == b""


def test_connections_that_ended_leave_nothing_for_the_collector(
    gateway: Start, upstream: RawUpstream
) -> None:
    running = gateway(upstream.url)
    gc.collect()
    gc.disable()
    try:
        with running.connect() as sock:
            sock.sendall(GET)
            assert read_head(sock)[1] == b"ok"
            ends = [weakref.ref(it) for it in connections(running)]
            ends += map(weakref.ref, running.app.upstreams["blog-service"].connections)
        upstream.close()
        assert running.get("/posts").status == 503  # the closed connection is not kept for use
        eventually(lambda: [end() for end in ends] == [None, None])
    finally:
        gc.enable()


# Clients that read nothing.


@pytest.fixture
def impatient(gateway: Start, upstream: RawUpstream) -> Running:
    limits = {"client": {"keep_alive": 0.3, "send_timeout": 0.5}}
    return gateway(upstream.url, limits=limits)


def connections(running: Running) -> list[Any]:
    return list(running.server.server_state.connections)


def narrow(running: Running) -> socket.socket:
    """Connect so that little fits between the gateway and a client that reads nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", running.port))
    eventually(lambda: connections(running))
    (connection,) = connections(running)
    inner = connection.transport.get_extra_info("socket")
    inner.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return sock


def test_an_idle_client_that_left_a_rest_unread_is_closed(
    impatient: Running, upstream: RawUpstream
) -> None:
    upstream.reply = b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20_000
    with narrow(impatient) as sock:
        (connection,) = connections(impatient)
        while not connection.transport.get_write_buffer_size():
            before = len(upstream.requests)
            sock.sendall(GET)
            eventually(lambda: len(upstream.requests) > before)  # noqa: B023 - called at once
            eventually(lambda: connection.cycle.response_complete)
        eventually(lambda: not connections(impatient))


def test_a_client_that_does_not_read_a_response_that_broke_off_is_closed(
    impatient: Running, upstream: RawUpstream
) -> None:
    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000)
        raise ConnectionError

    upstream.script = script
    with narrow(impatient) as sock:
        sock.sendall(GET)
        eventually(lambda: upstream.requests)
        eventually(lambda: not connections(impatient))


def test_a_response_that_nobody_took_does_not_block_who_comes_next(
    impatient: Running, upstream: RawUpstream
) -> None:
    sent = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 220000\r\n\r\n" + b"x" * 150_000)
        eventually(lambda: any(it.flow.write_paused for it in connections(impatient)))
        sock.sendall(b"x" * 70_000)  # which nobody takes, and more than is read ahead
        sent.set()

    upstream.script = script
    with narrow(impatient) as sock:
        sock.sendall(GET)
        assert sent.wait(5)
        eventually(lambda: not connections(impatient))  # the client has been given up
    upstream.script = None
    assert impatient.get("/posts").body == b"ok"


# Clients that go away while the gateway reads nothing more of them.


def test_a_client_that_goes_away_ends_its_pipelined_requests(pair: Pair) -> None:
    gateway, raw = pair
    ended = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        with suppress(ConnectionError):
            sock.recv(1)
        ended.set()
        raise ConnectionError

    raw.script = script

    def pipeline(sock: socket.socket) -> None:
        raw.requests.clear()
        ended.clear()
        sock.sendall(GET * 2)
        eventually(lambda: raw.requests)

    assert any(leaves_in_time(gateway, pipeline, ended.is_set) for _ in range(3))


def test_a_client_that_goes_away_ends_its_upload(gateway: Start, upstream: RawUpstream) -> None:
    over = threading.Event()

    def script(*_: object) -> None:
        over.wait(20)  # and read nothing

    upstream.script = script
    running = gateway(upstream.url, limits={"posts": {"max_body": 100_000_000}})
    (replica,) = running.app.upstreams["blog-service"]._replicas

    def send_until_it_is_not_read(sock: socket.socket) -> None:
        sock.sendall(b"POST /posts HTTP/1.1\r\nHost: a\r\nContent-Length: 99000000\r\n\r\n")
        eventually(lambda: upstream.requests)
        (connection,) = connections(running)
        while not connection.flow.read_paused:
            sock.sendall(b"x" * 10_000)
            time.sleep(0.001)  # a pause that lasts is meant

    left = (
        leaves_in_time(running, send_until_it_is_not_read, lambda: not replica.in_flight)
        for _ in range(3)
    )
    assert any(left)
    over.set()


def test_a_client_that_only_sends_no_more_has_its_answer(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HALF_CLOSED", 5.0)
    gateway, raw = pair
    half_closed = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        half_closed.wait(5)
        sock.sendall(OK)

    raw.script = script
    with gateway.connect() as sock:
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        half_closed.set()
        read_answers(sock, 1)


def test_who_pipelines_and_sends_no_more_has_its_answers(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HALF_CLOSED", 5.0)
    gateway, raw = pair
    noticed = threading.Event()
    has_left = protocol.Protocol._has_left

    def noticing(self: protocol.Protocol) -> bool:
        seen = has_left(self)
        if seen:
            self.loop.call_soon(noticed.set)  # behind what it leads to
        return seen

    def script(sock: socket.socket, _: bytes) -> None:
        noticed.wait(5)
        sock.sendall(OK)

    monkeypatch.setattr(protocol.Protocol, "_has_left", noticing)
    raw.script = script
    with gateway.connect() as sock:
        sock.sendall(GET * 2)
        sock.shutdown(socket.SHUT_WR)
        read_answers(sock, 2)


def read_answers(sock: socket.socket, count: int) -> None:
    got = b""
    while got.count(b"\r\n\r\nok") < count:
        got += receive(sock)


def test_half_an_answer_without_a_frame_does_not_end_well(pair: Pair) -> None:
    gateway, raw = pair

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        hang(sock, b"")

    raw.script = script
    with gateway.connect() as sock:
        sock.sendall(b"GET /posts HTTP/1.0\r\n\r\n")
        _, body = read_head(sock)
        while body != b"half":
            body += receive(sock)
        sock.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_who_resets_between_two_answers_leaves_nothing_running(pair: Pair) -> None:
    gateway, raw = pair
    (replica,) = gateway.app.upstreams["blog-service"]._replicas
    answer, answered = threading.Event(), threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        answer.wait(5)
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
            answered.wait(5)
    eventually(lambda: not replica.in_flight)


def leaves_in_time(
    running: Running, begin: Callable[[socket.socket], None], is_over: Callable[[], bool]
) -> bool:
    """Begin something, go away; tell whether the upstream's request is over in 250 ms."""
    with running.connect() as sock:
        begin(sock)
    began = time.monotonic()
    eventually(is_over)
    return time.monotonic() - began < 0.25


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


# What is refused keeps what was understood of it.

BAD_HOST = b"%b /posts HTTP/1.1\r\nX-Request-ID: mine\r\nHost: a\r\nHost: b\r\n\r\n"


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
def test_a_refused_head_keeps_its_id_and_method(
    gateway: Start, upstream: RawUpstream, method: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    running = gateway(upstream.url)
    answer = running.send(BAD_HOST % method)
    assert (answer.status, answer.all(b"x-request-id")) == (400, [b"mine"])
    assert bool(answer.body) is (method != b"HEAD")
    assert logged(capfd, answer)["method"] == method.decode()


def test_a_head_without_fields_keeps_its_method(pair: Pair) -> None:
    gateway, _ = pair
    answer = gateway.send(b"HEAD /posts HTTP/1.1\r\n\r\n")
    assert (answer.status, answer.body) == (400, b"")


def test_what_is_no_request_line_has_no_method(
    gateway: Start, upstream: RawUpstream, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = gateway(upstream.url).send(b"\x16\x03\x01\r\n")
    assert (answer.status, logged(capfd, answer)["method"]) == (400, "")


def logged(capfd: pytest.CaptureFixture[str], answer: Answer) -> dict[str, Any]:
    """Wait for the line of the request that had this answer."""
    (sent_id,) = answer.all(b"x-request-id")
    found: list[str] = []

    def is_there() -> bool:
        lines = capfd.readouterr().out.splitlines()
        found.extend(line for line in lines if sent_id.decode() in line)
        return bool(found)

    eventually(is_there)
    return dict(json.loads(found[0]))


# HTTP/1.0.

UPGRADE = b"Host: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n"


def test_an_upgrade_of_http_1_0_is_answered_in_http_1_0(pair: Pair) -> None:
    """RFC 9110, section 7.8: such an Upgrade is to be ignored."""
    gateway, raw = pair
    raw.reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    answer = gateway.send(b"GET /posts HTTP/1.0\r\n" + UPGRADE + b"\r\n")
    assert (answer.body, answer.all(b"transfer-encoding")) == (b"ok", [])
    assert answer.all(b"connection") == [b"close"]


def test_an_upgrade_does_not_make_chunks_of_http_1_0_good(pair: Pair) -> None:
    gateway, raw = pair
    chunked = UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert gateway.send(b"POST /users HTTP/1.0\r\n" + chunked).status == 400
    assert raw.requests == []


# Stopping.


def test_stopping_does_not_wait_for_a_client_that_keeps_its_side_open(
    gateway: Start, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LINGER", 0.3)
    go_on = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        assert go_on.wait(5)
        sock.sendall(OK)

    upstream.script = script
    running = gateway(upstream.url)
    with running.connect() as sock:
        sock.sendall(GET)
        eventually(lambda: upstream.requests)
        began = time.monotonic()
        running.server.should_exit = True
        eventually(lambda: running.app.draining)
        go_on.set()
        assert b" 200 " in read_all(sock)
        running.stop()
        assert time.monotonic() - began < server.GRACE / 2


def test_what_is_given_up_at_the_end_is_answered_and_logged_as_503(
    gateway: Start,
    upstream: RawUpstream,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(server, "GRACE", 1)
    upstream.script = hang
    running = gateway(upstream.url)
    with running.connect() as sock:
        sock.sendall(GET)
        eventually(lambda: upstream.requests)
        running.server.should_exit = True
        answer = parse(read_all(sock))
    running.stop()
    assert (answer.status, logged(capfd, answer)["status"]) == (503, 503)


# Too many of them.


def test_clients_beyond_the_limit_are_told_so(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url, limits={"client": {"max_connections": 2}})
    with running.connect(), running.connect() as second, running.connect() as third:
        eventually(lambda: len(connections(running)) == 3)
        third.sendall(GET)
        refused = parse(read_all(third))
        assert (refused.status, refused.all(b"retry-after")) == (503, [b"1"])
        second.sendall(GET)
        assert b" 200 " in read_head(second)[0]
        third.close()
        eventually(lambda: len(connections(running)) == 2)
    assert len(upstream.requests) == 1
