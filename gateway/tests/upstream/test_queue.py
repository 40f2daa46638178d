"""Requests in flight to an upstream are bounded, and so is the queue for them."""

import socket
import threading
from contextlib import ExitStack
from select import select

from support.gateway import Start
from support.upstream import RawUpstream, answer_after, hang
from support.waiting import eventually
from support.wire import GET, read_head


def test_a_request_beyond_the_queue_is_503(gateway: Start, upstream: RawUpstream) -> None:
    go_on = threading.Event()
    upstream.script = answer_after(go_on)
    limits = {"defaults": {"max_in_flight": 4, "max_queue": 4, "queue_timeout": 600.0}}
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


def test_no_client_takes_all_slots(gateway: Start, upstream: RawUpstream) -> None:
    go_on = threading.Event()
    upstream.script = answer_after(go_on)
    limits = {"defaults": {"max_in_flight": 8, "queue_timeout": 600.0}}
    running = gateway(upstream.url, limits=limits)
    with ExitStack() as stack:
        greedy = [stack.enter_context(running.connect("127.0.0.2")) for _ in range(20)]
        greedy += [stack.enter_context(running.connect("127.0.0.3")) for _ in range(20)]
        for sock in greedy:
            sock.sendall(GET)
        eventually(lambda: running.waiting + len(upstream.requests) == len(greedy))
        taken = len(upstream.requests)
        assert taken < 8
        modest = stack.enter_context(running.connect("127.0.0.4"))
        modest.sendall(GET)
        eventually(lambda: len(upstream.requests) == taken + 1)  # it waits behind nobody
        go_on.set()
        assert [b" 200 " in read_head(sock)[0] for sock in (*greedy, modest)] == [True] * 41


def test_no_client_takes_the_whole_queue(gateway: Start, upstream: RawUpstream) -> None:
    go_on = threading.Event()
    upstream.script = answer_after(go_on)
    limits = {"defaults": {"max_in_flight": 1, "max_queue": 8, "queue_timeout": 600.0}}
    running = gateway(upstream.url, limits=limits)
    with ExitStack() as stack:

        def ask(source: str) -> socket.socket:
            sock = stack.enter_context(running.connect(source))
            sock.sendall(GET)
            return sock

        first = ask("127.0.0.2")
        eventually(lambda: upstream.requests)
        greedy = [ask("127.0.0.2") for _ in range(20)]
        eventually(lambda: len(select(greedy, [], [], 0)[0]) == 16)  # refused
        modest = ask("127.0.0.3")
        eventually(lambda: running.waiting == 5)
        go_on.set()
        assert b" 200 " in read_head(first)[0]
        assert b" 200 " in read_head(modest)[0]


def test_clients_take_turns_in_the_queue(gateway: Start, upstream: RawUpstream) -> None:
    go_on = threading.Event()
    upstream.script = answer_after(go_on)
    limits = {"defaults": {"max_in_flight": 1, "queue_timeout": 600.0}}
    running = gateway(upstream.url, limits=limits)
    with ExitStack() as stack:
        sources = ["127.0.0.2"] * 5 + ["127.0.0.3", "127.0.0.4"]
        for source in sources:
            sock = stack.enter_context(running.connect(source))
            before = running.waiting + len(upstream.requests)
            sock.sendall(GET.replace(b"/posts", b"/posts/" + source.encode()))
            eventually(lambda: running.waiting + len(upstream.requests) > before)  # noqa: B023
        go_on.set()
        eventually(lambda: len(upstream.requests) == len(sources))
    last = [request.split(b" ")[1][-1:] for request in upstream.requests]
    assert last[:4] == [b"2", b"2", b"3", b"4"]


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
    limits = {"defaults": {"max_in_flight": 1, "max_queue": 6, "queue_timeout": 600.0}}
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
