"""Requests in flight to an upstream are bounded, and so is the queue for them."""

import threading
from contextlib import ExitStack

from support.gateway import Start
from support.upstream import RawUpstream, answer_after, hang
from support.waiting import eventually
from support.wire import GET, read_head


def test_a_request_beyond_the_queue_is_503(gateway: Start, upstream: RawUpstream) -> None:
    go_on = threading.Event()
    upstream.script = answer_after(go_on)
    limits = {"defaults": {"max_in_flight": 2, "max_queue": 2, "queue_timeout": 600.0}}
    running = gateway(upstream.url, limits=limits)
    with ExitStack() as stack:
        socks = [stack.enter_context(running.connect()) for _ in range(4)]
        for sock in socks:
            sock.sendall(GET)
        eventually(lambda: len(upstream.requests) == 2)
        eventually(lambda: running.waiting == 2)
        answer = running.get("/posts")
        assert (answer.status, answer.all(b"retry-after")) == (503, [b"1"])
        go_on.set()
        assert [b" 200 " in read_head(sock)[0] for sock in socks] == [True] * 4


def test_a_request_that_waits_too_long_in_the_queue_is_503(
    gateway: Start, upstream: RawUpstream
) -> None:
    upstream.script = hang
    limits = {"defaults": {"max_in_flight": 1, "queue_timeout": 0.2}}
    running = gateway(upstream.url, limits=limits)
    with running.connect() as sock:
        sock.sendall(GET)
        eventually(lambda: upstream.requests)
        assert running.get("/posts").status == 503


def test_a_client_that_leaves_the_queue_frees_its_place(
    gateway: Start, upstream: RawUpstream
) -> None:
    go_on = threading.Event()
    upstream.script = answer_after(go_on)
    limits = {"defaults": {"max_in_flight": 1, "max_queue": 3, "queue_timeout": 600.0}}
    running = gateway(upstream.url, limits=limits)
    with running.connect() as first:
        first.sendall(GET)
        eventually(lambda: upstream.requests)
        for _ in range(3):
            with ExitStack() as stack:
                for _sock in range(3):
                    stack.enter_context(running.connect()).sendall(GET)
                eventually(lambda: running.waiting == 3)
            eventually(lambda: running.waiting == 0)
        go_on.set()
        assert b" 200 " in read_head(first)[0]
    assert [running.get("/posts").status for _ in range(5)] == [200] * 5
