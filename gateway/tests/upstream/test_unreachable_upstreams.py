"""An upstream that takes no connection is 503 with Retry-After."""

import socket
import time
from contextlib import closing

import pytest
from support.gateway import Start
from support.upstream import RawUpstream, taking_no_connection
from support.waiting import eventually
from support.wire import PROBLEM, read_head, upload

from chassis_testing.ports import free_port
from gateway.upstream import replicas


def test_an_upstream_that_refuses_is_503_with_retry_after(
    gateway: Start, upstream: RawUpstream
) -> None:
    running = gateway(f"http://127.0.0.1:{free_port()}", upstream.url)
    for method in ("GET", "POST"):
        answer = running.get("/posts", method=method, body=b"x")
        assert (answer.status, answer.all(b"content-type")) == (503, PROBLEM)
        assert answer.all(b"retry-after") == [b"1"]


@pytest.mark.parametrize(
    ("method", "field", "status"),
    [
        ("GET", b"X: y", 503),
        ("DELETE", b"X: y", 502),
        ("POST", b"X: y", 502),
        ("POST", b"Idempotency-Key: a", 503),
    ],
)
def test_only_a_request_that_may_be_done_twice_is_503_when_the_upstream_is_gone(
    gateway: Start, upstream: RawUpstream, method: str, field: bytes, status: int
) -> None:
    def do_and_die(_sock: socket.socket, _head: bytes) -> None:
        upstream.close()
        raise ConnectionError

    upstream.script = do_and_die
    running = gateway(upstream.url)
    answer = running.get("/posts", field, method=method)
    assert (answer.status, bool(answer.all(b"retry-after"))) == (status, status == 503)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_upstream_that_accepts_no_connection_is_503(
    gateway: Start, upstream: RawUpstream, method: str
) -> None:
    with taking_no_connection() as port:
        limits = {"defaults": {"connect_timeout": 0.2}}
        running = gateway(f"http://127.0.0.1:{port}", upstream.url, limits=limits)
        answer = running.get("/posts", method=method, body=b"x")
        assert (answer.status, answer.all(b"retry-after")) == (503, [b"1"])


@pytest.mark.parametrize("url", ["http://nowhere.invalid:80", "http://no..name", "http://a:0"])
def test_an_unknown_upstream_is_503(gateway: Start, upstream: RawUpstream, url: str) -> None:
    running = gateway(url, upstream.url)
    assert running.get("/posts").status == 503


def test_an_upstream_that_comes_back_is_asked_again(gateway: Start, upstream: RawUpstream) -> None:
    port = free_port()
    running = gateway(f"http://127.0.0.1:{port}", upstream.url)
    assert running.get("/posts").status == 503
    with closing(RawUpstream(port=port)):
        eventually(lambda: running.get("/posts").status == 200)


def test_a_short_restart_costs_no_request(
    gateway: Start, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "RECOVERY", 600.0)
    port = free_port()
    running = gateway(f"http://127.0.0.1:{port}", upstream.url)
    eventually(lambda: running.standings == ["OUT"])
    with running.connect() as sock:
        sock.sendall(upload(1).replace(b"/users", b"/posts") + b"x")
        eventually(lambda: running.metric("gateway_in_flight", route="/posts") == 1)
        with closing(RawUpstream(port=port)) as restarted:
            assert b" 200 " in read_head(sock)[0]
            assert len(restarted.requests) == 1


def test_a_request_that_finds_a_restart_itself_waits_too(
    gateway: Start, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "RECOVERY", 600.0)
    port = free_port()
    stopped = RawUpstream(port=port)
    running = gateway(f"http://127.0.0.1:{port}", upstream.url)
    eventually(lambda: running.standings == ["WELL"])
    stopped.close()
    with running.connect() as sock:
        sock.sendall(upload(1).replace(b"/users", b"/posts") + b"x")
        eventually(lambda: running.standings == ["OUT"])
        with closing(RawUpstream(port=port)):
            assert b" 200 " in read_head(sock)[0]


def test_a_client_that_asks_again_at_once_is_slowed(gateway: Start, upstream: RawUpstream) -> None:
    """Otherwise a crowd of such clients takes the time of the services that are well."""
    running = gateway(f"http://127.0.0.1:{free_port()}", upstream.url)
    eventually(lambda: running.standings == ["OUT"])
    began = time.monotonic()
    assert [running.get("/posts").status for _ in range(3)] == [503] * 3
    assert time.monotonic() - began >= 3 * replicas.RECOVERY
    assert running.get("/users").status == 200
