"""A replica that hangs accepts connections, for its kernel does, and answers nothing."""

import socket
from typing import Any

import pytest
from support.gateway import Start
from support.upstream import RawUpstream, hang
from support.waiting import eventually
from support.wire import GET, OK, read_head, upload


def test_a_service_that_hangs_is_503_long_before_its_deadline(
    gateway: Start, upstream: RawUpstream
) -> None:
    upstream.script = hang
    running = gateway(upstream.url, limits={"defaults": {"first_byte_timeout": 600.0}})
    with running.connect() as sock:
        sock.sendall(GET)
        eventually(lambda: upstream.requests)
        upstream.shows_readiness = True
        head, _ = read_head(sock)
        assert b" 503 " in head
        assert b"retry-after: 1\r\n" in head
    answers = [running.get("/posts", method=method, body=b"x") for method in ("GET", "POST")]
    assert [answer.status for answer in answers] == [503, 503]
    assert len(upstream.requests) == 1  # once it has been found to hang, it gets none
    upstream.script = None
    eventually(lambda: running.get("/posts").status == 200)


def test_a_write_waits_for_a_replica_that_hangs(gateway: Start, replicas: Any) -> None:
    """The replica may still do it, at any later time."""
    url, raws, listed = replicas
    del listed[1:]
    raws[0].script = hang
    running = gateway(url)
    with running.connect() as sock:
        sock.sendall(GET.replace(b"GET", b"DELETE"))
        eventually(lambda: raws[0].requests)
        raws[0].shows_readiness = True
        listed.append("127.0.0.3")
        eventually(lambda: running.standings == ["OUT", "WELL"])
        assert [running.get("/posts").status for _ in range(9)] == [200] * 9
    assert [len(raw.requests) for raw in raws] == [1, 9, 0]


@pytest.mark.parametrize("sent", [GET, upload(1, b"Idempotency-Key: a") + b"x"])
def test_a_request_that_may_be_done_twice_moves_on_to_another_replica(
    gateway: Start, replicas: Any, sent: bytes
) -> None:
    sent = sent.replace(b"/users", b"/posts")
    url, raws, _ = replicas
    running = gateway(url)
    eventually(lambda: running.standings == ["WELL"] * 3)
    for raw in raws[:2]:
        raw.script = hang
    with running.connect() as first, running.connect() as second:
        for sock in (first, second):
            sock.sendall(sent)
        eventually(lambda: raws[0].requests and raws[1].requests)
        for raw in raws[:2]:
            raw.shows_readiness = True
        assert b" 200 " in read_head(first)[0]
        assert b" 200 " in read_head(second)[0]
    eventually(lambda: running.standings == ["OUT", "OUT", "WELL"])
    assert [running.get("/posts").status for _ in range(9)] == [200] * 9
    assert len(raws[2].requests) == 11


def test_a_slow_service_is_not_taken_for_one_that_hangs(
    gateway: Start, upstream: RawUpstream
) -> None:
    asked = []

    def script(sock: socket.socket, head: bytes) -> None:
        if head.startswith(b"GET /readyz "):
            asked.append(head)
            hang(sock, head)
        sock.sendall(OK)

    upstream.script, upstream.shows_readiness = script, True
    running = gateway(upstream.url)
    eventually(lambda: running.get("/posts").status == 200 and len(asked) > 1)
    assert running.metric("gateway_replicas_left_out_total", upstream="blog-service") is None
