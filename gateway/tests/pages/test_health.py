"""Liveness asks no upstream; readiness asks all."""

import json
import socket

import pytest
from support.gateway import Start
from support.upstream import RawUpstream, by_path, drip
from support.waiting import eventually
from support.wire import OK, PROBLEM, Answer, reply

from chassis_testing.ports import free_port
from gateway.upstream import replicas


def test_liveness_asks_no_upstream(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url)
    assert json.loads(running.get("/livez").body) == {"status": "up"}
    assert running.get("/livez", method="HEAD").body == b""
    assert upstream.requests == []


def test_readiness_lists_the_upstreams_and_needs_one_of_them(
    gateway: Start, upstream: RawUpstream
) -> None:
    upstream.shows_readiness = True
    running = gateway(upstream.url, f"http://127.0.0.1:{free_port()}")
    eventually(lambda: running.get("/readyz").status == 200)
    answer = running.get("/readyz")
    assert (answer.status, answer.all(b"cache-control")) == (200, [b"no-store"])
    assert json.loads(answer.body) == {
        "status": "up",
        "checks": {"blog-service": "up", "platform-service": "down"},
    }
    upstream.reply = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    eventually(lambda: running.get("/readyz").status == 503)
    assert_not_ready(running.get("/readyz"))


def assert_not_ready(answer: Answer) -> None:
    assert (answer.status, answer.all(b"retry-after")) == (503, [b"1"])
    assert answer.all(b"content-type") == PROBLEM
    assert answer.all(b"cache-control") == [b"no-store"]
    checks = json.loads(answer.body)["checks"]
    assert checks == {"blog-service": "down", "platform-service": "down"}


GARBLED = [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]


@pytest.mark.parametrize("bad", GARBLED)
def test_a_service_whose_readiness_is_garbled_is_down(
    gateway: Start, upstream: RawUpstream, bad: bytes
) -> None:
    upstream.shows_readiness = True
    upstream.script = by_path({b"/readyz": bad})
    running = gateway(upstream.url)
    eventually(lambda: running.standings == ["UNREADY"])
    assert_not_ready(running.get("/readyz"))


def test_a_service_whose_readiness_trickles_in_is_down(
    gateway: Start, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "CHECK_TIMEOUT", 0.5)
    upstream.shows_readiness = True
    upstream.script = drip
    running = gateway(upstream.url)
    eventually(lambda: running.standings == ["OUT"])
    assert_not_ready(running.get("/readyz"))


def test_readiness_checks_ask_no_upstream(
    gateway: Start, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "CHECK_INTERVAL", 600.0)
    asked = []

    def script(sock: socket.socket, head: bytes) -> None:
        asked.append(head)
        sock.sendall(OK)

    upstream.script, upstream.shows_readiness = script, True
    running = gateway(upstream.url)
    eventually(lambda: running.get("/readyz").status == 200)
    for _ in range(20):
        running.get("/readyz")
    assert len(asked) == 2  # the replica of each upstream once, by the gateway itself


def test_a_service_without_readiness_is_up_while_it_answers(
    gateway: Start, upstream: RawUpstream
) -> None:
    upstream.shows_readiness = True
    upstream.reply = reply(status=b"404 Not Found")
    running = gateway(upstream.url)
    eventually(lambda: running.get("/readyz").status == 200)
