"""The process as it is deployed: its logs, its settings, its end."""

import http.client
import json
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import BLOG

from chassis.logs import JsonFormatter
from chassis_testing.problem import CANARY
from chassis_testing.running import SECONDS, finish

RESET = 0  # instead of a status
POLL_SECONDS = 0.05  # each poll is a log line, and nobody reads them before the end
LINE = ["time", "level", "service", "event", "request_id"]
REQUEST = ["method", "path", "status", "duration_ms", "client"]


def test_every_log_line_is_one_object_with_the_request_id_and_no_value_sent(
    tmp_path: Path,
) -> None:
    with BLOG.process(tmp_path, BLOG_DRAIN_SECONDS="0") as (running, url):
        headers = {"X-Request-ID": "the-id", "Authorization": f"Bearer {CANARY}"}
        with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
            client.post("/posts/", json={"title": CANARY, CANARY: CANARY})
            client.post("/posts/", json={"title": CANARY})
            client.get(f"/posts/1?{CANARY}={CANARY}")
            client.get("/a%20path")
        running.terminate()
        _, out, err = finish(running)
    lines: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert all(list(line)[:5] == LINE for line in lines)
    assert all(list(line) == [*LINE, *REQUEST] for line in requests)
    assert [(line["method"], line["path"], line["status"]) for line in requests] == [
        ("POST", "/posts/", 422),
        ("POST", "/posts/", 201),
        ("GET", "/posts/1", 422),
        ("GET", "/a%20path", 404),
    ]
    assert {line["request_id"] for line in requests} == {"the-id"}
    assert {line["client"] for line in requests} == {"127.0.0.1"}
    assert {line["service"] for line in lines} == {"blog-service"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}(\.\d{6})?Z", line["time"]) for line in lines)
    assert CANARY not in out
    assert err == ""


def test_a_failure_is_logged_in_one_line_with_its_request_id(
    client: httpx.Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("blog_service.crud.get_post", fail)
    caplog.handler.setFormatter(JsonFormatter("blog-service"))
    client.get("/posts/1", headers={"X-Request-ID": "the-id"})
    (failure,) = [json.loads(line) for line in caplog.text.splitlines() if "exception" in line]
    assert list(failure) == [*LINE, "exception", "at"]
    assert (failure["level"], failure["request_id"]) == ("error", "the-id")
    assert failure["exception"] == "ZeroDivisionError"
    assert all(re.fullmatch(r".*\.py:\d+", place) for place in failure["at"])


def test_a_taken_port_stops_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, out, err = finish(BLOG.start(tmp_path, "blog_service", BLOG_PORT=port))
    assert code != 0
    assert "address already in use" in out + err
    assert "Traceback" not in out + err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_drains_and_loses_nothing(tmp_path: Path, number: signal.Signals) -> None:
    body = b'{"title": "In flight"}'
    with BLOG.process(tmp_path, BLOG_DRAIN_SECONDS="1") as (running, url):
        idle = http.client.HTTPConnection(url.removeprefix("http://"))
        idle.request("GET", "/readyz")
        assert idle.getresponse().read()
        in_flight = _begin_post(url, len(body))
        running.send_signal(number)
        answer = _until_draining(idle)
        assert answer.headers["Connection"] == "close"
        assert answer.headers["Retry-After"] == "1"
        assert httpx.get(f"{url}/posts/", trust_env=False).headers["Connection"] == "close"
        _until_refused(url)
        in_flight.send(body)
        assert in_flight.getresponse().status == 201
        code, _, err = finish(running)
    assert code in {0, 128 + number, -number}
    assert err == ""


def test_who_connects_while_it_stops_is_answered_or_refused(
    tmp_path: Path,
) -> None:
    answered: list[int] = []
    with (
        BLOG.process(tmp_path, BLOG_DRAIN_SECONDS="0.6") as (running, url),
        ThreadPoolExecutor(20) as pool,
    ):
        printed = pool.submit(running.communicate)  # else a full pipe would stop it
        clients = [pool.submit(_ask_until_refused, url, answered) for _ in range(19)]
        deadline = time.monotonic() + SECONDS
        while len(answered) < 100:
            assert time.monotonic() < deadline
            time.sleep(POLL_SECONDS)
        running.terminate()
        for client in clients:
            client.result()
        assert printed.result()[1] == ""
    assert set(answered) <= {200, RESET}
    # Who comes between the last accept() and close() is lost; to close alone loses nearly all.
    assert answered.count(RESET) <= 2


def _ask_until_refused(url: str, answered: list[int]) -> None:
    while True:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=SECONDS)
        try:
            connection.request("GET", "/livez")
            answered.append(connection.getresponse().status)
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            answered.append(RESET)
        finally:
            connection.close()


def _begin_post(url: str, length: int) -> http.client.HTTPConnection:
    """Send the head of a POST and wait until the service asks for its body."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=SECONDS)
    connection.putrequest("POST", "/posts/")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(length))
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    assert connection.sock.recv(1024).startswith(b"HTTP/1.1 100 ")
    return connection


def _until_draining(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        answer.read()
        if answer.status == 503:
            return answer
        time.sleep(POLL_SECONDS)
    raise AssertionError("readiness never turned to 503")


def _until_refused(url: str) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/livez", trust_env=False)
        except httpx.TransportError:
            return
        time.sleep(POLL_SECONDS)
    raise AssertionError("it never stopped accepting")
