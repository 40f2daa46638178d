"""The limits on clients' connections, and the garbage that a closed one leaves: none."""

import gc
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from support.gateway import Running, Start
from support.upstream import RawUpstream
from support.waiting import eventually
from support.wire import GET, parse, read_all, read_head

from gateway.client import admission

HEALTH = b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@contextmanager
def idle(running: Running, address: str, number: int) -> Iterator[None]:
    """Hold open so many connections that send nothing."""
    before = len(running.connections)
    with ExitStack() as stack:
        for _ in range(number):
            stack.enter_context(running.connect(address))
        eventually(lambda: len(running.connections) == before + number)
        yield


def test_a_client_beyond_the_limit_is_503(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url, limits={"client": {"max_connections": 2}})
    with running.connect(), running.connect() as second, running.connect() as third:
        eventually(lambda: len(running.connections) == 3)
        third.sendall(GET)
        refused = parse(read_all(third))
        assert (refused.status, refused.all(b"retry-after")) == (503, [b"1"])
        second.sendall(GET)
        assert b" 200 " in read_head(second)[0]
        third.close()
        eventually(lambda: len(running.connections) == 2)
    assert len(upstream.requests) == 1


def test_one_client_cannot_take_the_connections_of_all(
    gateway: Start, upstream: RawUpstream
) -> None:
    running = gateway(upstream.url, limits={"client": {"max_connections_per_client": 2}})
    with idle(running, "127.0.0.2", 2):
        with running.connect("127.0.0.2") as third, running.connect("127.0.0.3") as other:
            third.sendall(GET)
            refused = parse(read_all(third))
            assert (refused.status, refused.all(b"retry-after")) == (429, [b"1"])
            other.sendall(GET)
            assert b" 200 " in read_head(other)[0]
        eventually(lambda: len(running.connections) == 2)
    eventually(lambda: not running.connections)
    with running.connect("127.0.0.2") as again:
        again.sendall(GET)
        assert b" 200 " in read_head(again)[0]
    eventually(lambda: not running.app.state.admission._of_client)


def test_connections_beyond_the_limit_of_their_client_take_no_place_of_others(
    gateway: Start, upstream: RawUpstream
) -> None:
    limits = {"client": {"max_connections_per_client": 2, "max_connections": 4}}
    running = gateway(upstream.url, limits=limits)
    with (
        idle(running, "127.0.0.2", 4),
        idle(running, "127.0.0.3", 1),
        running.connect("127.0.0.4") as other,
        running.connect("127.0.0.4") as last,
    ):
        other.sendall(GET)
        assert b" 200 " in read_head(other)[0]
        last.sendall(GET)
        assert parse(read_all(last)).status == 503
    eventually(lambda: not running.connections)
    assert running.app.state.admission._admitted == 0


def test_the_clients_behind_a_trusted_proxy_are_not_one(
    gateway: Start, upstream: RawUpstream
) -> None:
    limits = {"client": {"max_connections_per_client": 1}}
    running = gateway(upstream.url, trusted_proxies="127.0.0.2", limits=limits)
    with idle(running, "127.0.0.2", 3), running.connect("127.0.0.2") as sock:
        sock.sendall(GET)
        assert b" 200 " in read_head(sock)[0]


@pytest.mark.parametrize("path", [b"/livez", b"/readyz?x"])
@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_client"])
def test_health_is_answered_beyond_the_limits(
    gateway: Start, upstream: RawUpstream, limit: str, path: bytes
) -> None:
    running = gateway(upstream.url, limits={"client": {limit: 2}})
    with idle(running, "127.0.0.1", 2), running.connect("127.0.0.1") as sock:
        sock.sendall(HEALTH % path)
        assert parse(read_all(sock)).status == 200


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_client"])
def test_a_connection_far_beyond_the_limits_is_closed(
    gateway: Start, upstream: RawUpstream, limit: str
) -> None:
    running = gateway(upstream.url, limits={"client": {limit: 2}})
    with idle(running, "127.0.0.2", 2 * admission.REFUSED_FACTOR):
        with running.connect("127.0.0.2") as sock:
            assert read_all(sock) == b""
        with running.connect("127.0.0.1") as sock:  # as a container's health check
            sock.sendall(HEALTH % b"/livez")
            assert parse(read_all(sock)).status == 200


def test_a_closed_connection_leaves_no_garbage(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url)
    gc.collect()
    gc.disable()
    try:
        with running.connect() as sock:
            sock.sendall(GET)
            assert read_head(sock)[1] == b"ok"
            ends = [weakref.ref(it) for it in running.connections]
            ends += map(weakref.ref, running.app.proxy.upstreams["blog-service"].connections)
        upstream.close()
        assert running.get("/posts").status == 503  # the closed connection is not kept for use
        eventually(lambda: [end() for end in ends] == [None, None])
    finally:
        gc.enable()
