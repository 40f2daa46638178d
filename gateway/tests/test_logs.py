"""Log lines are JSON and hold nothing secret."""

import asyncio
import json
import re
import signal
import socket
import threading
import time

import pytest
from starlette.types import Receive, Scope, Send
from support.gateway import Start
from support.logs import logged
from support.process import StartProcess
from support.upstream import RawUpstream, hang, send_and_close
from support.waiting import PATIENCE, eventually
from support.wire import OK, Answer, parse, read_all, upload

VARYING = ("time", "duration_ms", "request_ms", "upstream_ms")


def test_every_line_is_json_without_secrets(start: StartProcess, upstream: RawUpstream) -> None:
    it = start(GATEWAY_BLOG_SERVICE_URL=upstream.url, GATEWAY_DRAIN_SECONDS="0")
    it.wait_until_up()
    with it.connect() as sock:
        sock.sendall(
            b'GET /posts/%22"?secret=1 HTTP/1.1\r\nHost: a\r\nX-Request-ID: known\r\n'
            b"Authorization: Bearer secret\r\nCookie: secret\r\nConnection: close\r\n\r\n"
        )
        while sock.recv(65536):
            pass
    it.process.send_signal(signal.SIGTERM)
    _, out, err = it.end()
    assert (err, "secret" in out) == ("", False)
    lines = [json.loads(line) for line in out.splitlines()]
    (line,) = [line for line in lines if line["event"] == "request"]
    assert line["duration_ms"] >= line["upstream_ms"] > 0
    assert {key: line[key] for key in line if key not in VARYING} == {
        "level": "info",
        "service": "gateway",
        "event": "request",
        "request_id": "known",
        "method": "GET",
        "path": '/posts/%22"',
        "status": 200,
        "replica": f"127.0.0.1:{upstream.port}",
        "client": "127.0.0.1",
    }
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}(\.\d{6})?Z", line["time"])
        assert {"level", "service", "event", "request_id"} <= line.keys()


def test_a_gateway_at_level_warning_writes_no_line_of_a_request(start: StartProcess) -> None:
    it = start(GATEWAY_LOG_LEVEL="warning", GATEWAY_DRAIN_SECONDS="0")
    it.wait_until_up()
    with it.connect() as sock:
        sock.sendall(b"GET /docs HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert parse(read_all(sock)).status == 200
    it.process.send_signal(signal.SIGTERM)
    assert '"request"' not in it.end()[1]


def test_the_lines_about_a_broken_answer_have_the_requests_id(
    start: StartProcess, upstream: RawUpstream
) -> None:
    upstream.script = send_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
    it = start(GATEWAY_BLOG_SERVICE_URL=upstream.url, GATEWAY_DRAIN_SECONDS="0")
    it.wait_until_up()
    with it.connect() as sock:
        sock.sendall(b"GET /posts HTTP/1.1\r\nHost: a\r\nX-Request-ID: known\r\n\r\n")
        while sock.recv(65536):
            pass
    it.process.send_signal(signal.SIGTERM)
    lines = [json.loads(line) for line in it.end()[1].splitlines()]
    errors = [line for line in lines if line["level"] == "error"]
    assert {line["request_id"] for line in errors} == {"known"}


PAUSE = 0.3  # seconds; nothing is compared with it but what lasted as long or longer


def test_a_slow_upload_does_not_look_like_a_slow_service(
    gateway: Start, upstream: RawUpstream, capfd: pytest.CaptureFixture[str]
) -> None:
    running = gateway(upstream.url)
    with running.connect() as sock:
        sock.sendall(upload(2, b"Connection: close"))
        eventually(lambda: upstream.connections)  # the gateway has begun to count
        time.sleep(PAUSE)
        sock.sendall(b"ok")
        line = logged(capfd, parse(read_all(sock)))
    assert line["request_ms"] >= PAUSE * 1000
    assert 0 < line["upstream_ms"] <= line["duration_ms"] - line["request_ms"] + 0.02  # rounded


def test_a_slow_service_does_not_look_like_a_slow_upload(
    gateway: Start, upstream: RawUpstream, capfd: pytest.CaptureFixture[str]
) -> None:
    running = gateway(upstream.url)

    def script(sock: socket.socket, _: bytes) -> None:
        time.sleep(PAUSE)
        sock.sendall(OK)

    upstream.script = script
    line = logged(capfd, running.get("/users", method="POST", body=b"ok"))
    assert line["upstream_ms"] >= PAUSE * 1000
    assert line["request_ms"] <= line["duration_ms"] - line["upstream_ms"] + 0.02  # rounded
    assert line["replica"] == f"127.0.0.1:{upstream.port}"


def test_a_request_that_no_replica_got_has_no_time_of_one(
    gateway: Start, upstream: RawUpstream, capfd: pytest.CaptureFixture[str]
) -> None:
    running = gateway(upstream.url)
    line = logged(capfd, running.get("/docs"))
    assert (line["request_ms"], line["upstream_ms"], line["replica"]) == (0, None, None)


def test_a_client_that_leaves_a_hanging_service_is_logged_with_its_time(
    gateway: Start, upstream: RawUpstream, capfd: pytest.CaptureFixture[str]
) -> None:
    running = gateway(upstream.url)
    upstream.script = hang
    with running.connect() as sock:
        sock.sendall(b"GET /posts HTTP/1.1\r\nHost: a\r\nX-Request-ID: left\r\n\r\n")
        eventually(lambda: upstream.requests)
        time.sleep(PAUSE)
    line = logged(capfd, Answer(0, [(b"x-request-id", b"left")], b""))
    assert line["status"] == 499
    assert line["upstream_ms"] >= PAUSE * 1000 / 2  # it began before the upstream had read it


def test_a_client_that_leaves_with_its_whole_answer_is_not_logged_as_one_that_left_it(
    gateway: Start, upstream: RawUpstream, capfd: pytest.CaptureFixture[str]
) -> None:
    """A page may still have something to do then, such as to close a file."""
    running, ends = gateway(upstream.url), threading.Event()

    async def page(_scope: Scope, _receive: Receive, send: Send) -> None:
        head = {"type": "http.response.start", "status": 200}
        await send({**head, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
        await asyncio.to_thread(ends.wait, PATIENCE)

    running.app.mount("/page", page)
    answer = running.get("/page/")
    eventually(lambda: not running.connections)
    ends.set()
    assert logged(capfd, answer)["status"] == 200
