"""Limits, deadlines, faults of upstreams, retries and replicas."""

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop
from conftest import (
    OK,
    Process,
    RawUpstream,
    Running,
    eventually,
    free_port,
    hang,
    parse,
    read_all,
    read_body,
    read_head,
    receive,
)

from gateway import upstream as upstreams

Pair = tuple[Running, RawUpstream]
Start = Callable[..., Running]

GET = b"GET /posts HTTP/1.1\r\nHost: a\r\n\r\n"
GET_LAST = b"GET /posts HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
PROBLEM = [b"application/problem+json"]


# Sizes.


def test_a_body_over_the_limit_is_refused_by_its_length_at_once(pair: Pair) -> None:
    """RFC 9110, section 15.5.14."""
    gateway, raw = pair
    head = (
        b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 2097153\r\nConnection: close\r\n\r\n"
    )
    answer = gateway.send(head)
    assert (answer.status, answer.all(b"content-type")) == (413, PROBLEM)
    assert raw.requests == []


@pytest.mark.parametrize("path", [b"/", b"/livez", b"/nothing"])
def test_a_body_over_the_limit_is_refused_where_nobody_reads_it_too(
    pair: Pair, path: bytes
) -> None:
    head = b"GET %b HTTP/1.1\r\nHost: a\r\nContent-Length: 2097153\r\nConnection: close\r\n\r\n"
    assert pair[0].send(head % path).status == 413


def test_a_body_over_the_limit_is_refused_by_counted_bytes(pair: Pair) -> None:
    gateway, raw = pair
    raw.script = hang
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with gateway.connect() as sock:
        sock.sendall(b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            for _ in range(33):
                sock.sendall(chunk)
        assert parse(read_all(sock)).status == 413


def test_a_body_of_just_the_limit_passes(pair: Pair) -> None:
    gateway, raw = pair
    assert gateway.get("/users", method="POST", body=b"x" * 2 * 1024 * 1024).status == 200
    assert len(raw.requests[-1]) > 2 * 1024 * 1024


TOO_LARGE = [
    (414, b"GET /" + b"x" * 8192 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    (414, b"GET /" + b"x" * 100_000),
    (431, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100 + b"\r\n"),
    (431, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 33_000 + b"\r\n\r\n"),
    (431, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 3_000_000),
    (431, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 300_000),
]


@pytest.mark.parametrize(("status", "data"), TOO_LARGE, ids=[str(s) for s, _ in TOO_LARGE])
def test_too_long_targets_and_heads_are_refused(pair: Pair, status: int, data: bytes) -> None:
    """RFC 9110, section 15.5.15; RFC 6585, section 5."""
    gateway, _ = pair
    with gateway.connect() as sock:
        with suppress(ConnectionError):
            sock.sendall(data)
        answer = parse(read_all(sock))
    assert (answer.status, answer.all(b"content-type")) == (status, PROBLEM)


def test_heads_just_within_the_limits_pass(pair: Pair) -> None:
    gateway, _ = pair
    assert gateway.get("/posts?" + "x" * 8185).status == 200
    assert gateway.get("/posts", *[b"X: y"] * 97).status == 200
    assert gateway.get("/posts", b"X: " + b"y" * 32_000).status == 200


def test_trailers_are_limited_too(pair: Pair) -> None:
    gateway, raw = pair
    raw.script = hang
    head = b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with gateway.connect() as sock:
        with suppress(ConnectionError):
            sock.sendall(head + b"X: y\r\n" * 500_000)
        assert parse(read_all(sock)).status == 431


# Time.

QUICK = {"client": {"header_timeout": 0.3, "body_timeout": 0.3, "keep_alive": 0.3}}
SLOW_REQUESTS = [
    ("half a request line", b"GET /po", 408),
    ("half a head", b"GET /posts HTTP/1.1\r\nHost: a\r\n", 408),
    ("half a body", b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx", 408),
    ("no body", b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", 408),
    (
        "half a chunk",
        b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nx",
        408,
    ),
]


@pytest.mark.parametrize(("what", "data", "status"), SLOW_REQUESTS)
def test_slow_requests_are_given_up(
    gateway: Start, upstream: RawUpstream, what: str, data: bytes, status: int
) -> None:
    """RFC 9110, section 15.5.9."""
    upstream.script = hang
    running = gateway(upstream.url, limits=QUICK)
    answer = running.send(data)
    assert (answer.status, answer.all(b"connection")) == (status, [b"close"]), what


def test_silent_and_idle_connections_are_closed(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url, limits=QUICK)
    with running.connect() as silent, running.connect() as idle:
        idle.sendall(GET)
        assert b" 200 " in read_all(idle)
        assert read_all(silent) == b""


def test_a_trickling_body_is_given_up_however_long_it_trickles(
    gateway: Start, upstream: RawUpstream
) -> None:
    running = gateway(upstream.url, limits=QUICK)
    with running.connect() as sock:
        sock.sendall(b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        sock.settimeout(0.05)
        got = b""
        for _ in range(100):
            with suppress(ConnectionError):
                sock.sendall(b"x")
            with suppress(TimeoutError):
                got += sock.recv(65536)
                break
        assert got.startswith(b"HTTP/1.1 408")


def test_300_slow_clients_leave_others_alone(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url)
    body = b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx"
    with ExitStack() as stack:
        for index in range(300):
            sock = stack.enter_context(running.connect())
            sock.sendall((b"GET /posts HT", body, b"GET /posts HTTP/1.1\r\nX: y\r\n")[index % 3])
        began = time.monotonic()
        assert [running.get("/users").status for _ in range(50)] == [200] * 50
        assert time.monotonic() - began < 2


def test_a_client_that_takes_nothing_is_left(gateway: Start, upstream: RawUpstream) -> None:
    ended = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        with suppress(OSError):
            sock.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 50_000_000
            )
            hang(sock, b"")
        ended.set()
        raise ConnectionError

    upstream.script = script
    running = gateway(upstream.url, limits={"client": {"send_timeout": 0.3}})
    with running.connect() as sock:
        sock.sendall(GET)
        assert ended.wait(5)


# Faults of upstreams.

FAULTS = [
    ("garbage", b"garbage\r\n\r\n"),
    ("another protocol", b"SSH-2.0-x\r\n"),
    ("nothing", b""),
    ("half a head", b"HTTP/1.1 200 OK\r\nContent-Le"),
    ("a bad status", b"HTTP/1.1 2000 OK\r\n\r\n"),
    ("status 99", b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"),
    ("status 600", b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n"),
    ("101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    (
        "both framings",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    ("gzip coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabcd"),
    ("a folded line", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
    ("NUL", b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"),
    ("a large head", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 3_000_000 + b"\r\n\r\n"),
    ("many fields", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"Content-Length: 0\r\n\r\n"),
]


@pytest.mark.parametrize(("what", "data"), FAULTS, ids=[what for what, _ in FAULTS])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_garbled_and_truncated_responses_are_502(
    pair: Pair, what: str, data: bytes, method: str
) -> None:
    """RFC 9110, section 15.6.3."""
    gateway, raw = pair

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(data)
        raise ConnectionError

    raw.script = script
    answer = gateway.get("/users", method=method)
    assert answer.status == 502, what
    assert answer.all(b"content-type") == PROBLEM


def test_a_silent_upstream_is_504(gateway: Start, upstream: RawUpstream) -> None:
    """RFC 9110, section 15.6.5."""
    upstream.script = hang
    running = gateway(upstream.url, limits={"defaults": {"first_byte_timeout": 0.3}})
    answers = [running.get("/users", method=m, body=b) for m, b in (("GET", b""), ("POST", b"x"))]
    assert [answer.status for answer in answers] == [504, 504]
    assert answers[0].all(b"content-type") == PROBLEM
    assert len(upstream.requests) == 2


def test_an_upstream_that_falls_silent_in_mid_body_breaks_the_connection(
    gateway: Start, upstream: RawUpstream
) -> None:
    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
        hang(sock, b"")

    upstream.script = script
    running = gateway(upstream.url, limits={"defaults": {"between_bytes_timeout": 0.3}})
    assert running.get("/posts").body == b"ab"


def test_an_upstream_that_takes_no_more_of_a_body_is_504(
    gateway: Start, upstream: RawUpstream
) -> None:
    answered = threading.Event()
    upstream.script = lambda sock, _: hang(sock, b"") if answered.wait(5) else None
    limits = {"defaults": {"between_bytes_timeout": 0.3}, "posts": {"max_body": 10_000_000}}
    running = gateway(upstream.url, limits=limits)
    assert running.get("/posts", method="POST", body=b"x" * 10_000_000).status == 504
    answered.set()


def test_a_body_may_take_its_time_when_the_answer_has_begun(
    gateway: Start, upstream: RawUpstream
) -> None:
    def script(sock: socket.socket, data: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        sock.sendall(read_body(sock, *read_head(sock, data)))

    upstream.script = script
    running = gateway(upstream.url, limits={"defaults": {"between_bytes_timeout": 0.5}})
    with running.connect() as sock:
        sock.sendall(b"POST /users HTTP/1.1\r\nHost: a\r\nConnection: close\r\n")
        sock.sendall(b"Content-Length: 10\r\n\r\n")
        for _ in range(10):
            time.sleep(0.1)  # a client that is slow is meant
            sock.sendall(b"x")
        assert parse(read_all(sock)).body == b"x" * 10


def test_a_refusing_upstream_is_503_with_retry_after(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(f"http://127.0.0.1:{free_port()}", upstream.url)
    for method in ("GET", "POST"):
        answer = running.get("/posts", method=method, body=b"x")
        assert (answer.status, answer.all(b"content-type")) == (503, PROBLEM)
        assert answer.all(b"retry-after") == [b"1"]


@contextmanager
def taking_no_connection(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port that takes no connection and refuses none."""
    with ExitStack() as stack:
        full = stack.enter_context(closing(socket.socket()))
        full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        full.bind((host, port))
        full.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield full.getsockname()[1]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_upstream_that_takes_no_connection_in_time_is_503(
    gateway: Start, upstream: RawUpstream, method: str
) -> None:
    with taking_no_connection() as port:
        limits = {"defaults": {"connect_timeout": 0.2}}
        running = gateway(f"http://127.0.0.1:{port}", upstream.url, limits=limits)
        began = time.monotonic()
        answer = running.get("/posts", method=method, body=b"x")
        assert (answer.status, answer.all(b"retry-after")) == (503, [b"1"])
        assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("url", ["http://nowhere.invalid:80", "http://no..name", "http://a:0"])
def test_an_unknown_upstream_is_503(gateway: Start, upstream: RawUpstream, url: str) -> None:
    running = gateway(url, upstream.url)
    assert running.get("/posts").status == 503


def test_an_upstream_that_comes_back_is_asked_again_within_a_second(
    gateway: Start, upstream: RawUpstream
) -> None:
    port = free_port()
    running = gateway(f"http://127.0.0.1:{port}", upstream.url)
    assert running.get("/posts").status == 503
    with closing(RawUpstream(port=port)):
        eventually(lambda: running.get("/posts").status == 200, seconds=1)


# Requests in flight.


def test_requests_in_flight_are_bounded_and_so_is_their_queue(
    gateway: Start, upstream: RawUpstream
) -> None:
    go_on = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        assert go_on.wait(5)
        sock.sendall(OK)

    upstream.script = script
    limits = {"defaults": {"max_in_flight": 2, "max_queue": 2, "queue_timeout": 5.0}}
    running = gateway(upstream.url, limits=limits)
    with ExitStack() as stack:
        socks = [stack.enter_context(running.connect()) for _ in range(4)]
        for sock in socks:
            sock.sendall(GET)
        eventually(lambda: len(upstream.requests) == 2)
        eventually(lambda: running.app.upstreams["blog-service"].slots._waiting == 2)
        answer = running.get("/posts")
        assert (answer.status, answer.all(b"retry-after")) == (503, [b"1"])
        go_on.set()
        assert [b" 200 " in read_head(sock)[0] for sock in socks] == [True] * 4


def test_nobody_waits_longer_than_the_queue_allows(gateway: Start, upstream: RawUpstream) -> None:
    upstream.script = hang
    limits = {"defaults": {"max_in_flight": 1, "queue_timeout": 0.2}}
    running = gateway(upstream.url, limits=limits)
    with running.connect() as sock:
        sock.sendall(GET)
        eventually(lambda: upstream.requests)
        assert running.get("/posts").status == 503


def test_clients_that_leave_the_queue_leave_their_places(
    gateway: Start, upstream: RawUpstream
) -> None:
    go_on = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        assert go_on.wait(5)
        sock.sendall(OK)

    upstream.script = script
    running = gateway(upstream.url, limits={"defaults": {"max_in_flight": 1, "max_queue": 3}})
    slots = running.app.upstreams["blog-service"].slots
    with running.connect() as first:
        first.sendall(GET)
        eventually(lambda: upstream.requests)
        for _ in range(3):
            with ExitStack() as stack:
                for _sock in range(3):
                    stack.enter_context(running.connect()).sendall(GET)
                eventually(lambda: slots._waiting == 3)
            eventually(lambda: slots._waiting == 0)
        go_on.set()
        assert b" 200 " in read_head(first)[0]
    assert [running.get("/posts").status for _ in range(5)] == [200] * 5


# Retries.


def stale(raw: RawUpstream, *, answer_first: bytes = OK) -> None:
    """Make the upstream close each connection on its second request, without an answer."""
    served: set[int] = set()

    def script(sock: socket.socket, _: bytes) -> None:
        if id(sock) in served:
            raise ConnectionError
        served.add(id(sock))
        sock.sendall(answer_first)

    raw.script = script


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_a_stale_connection_is_no_error_for_what_may_be_repeated(pair: Pair, method: str) -> None:
    """RFC 9110, section 9.2.2."""
    gateway, raw = pair
    stale(raw, answer_first=b"HTTP/1.1 204 No Content\r\n\r\n")
    assert [gateway.get("/users", method=method).status for _ in range(10)] == [204] * 10


@pytest.mark.parametrize(("method", "body"), [("POST", b""), ("PATCH", b""), ("PUT", b"x")])
def test_what_must_not_be_repeated_is_sent_once(pair: Pair, method: str, body: bytes) -> None:
    gateway, raw = pair
    raw.script = lambda *_: (_ for _ in ()).throw(ConnectionError())
    assert gateway.get("/users", method=method, body=body).status == 502
    assert len(raw.requests) == 1


def test_a_repeated_request_is_repeated_once(pair: Pair) -> None:
    gateway, raw = pair
    raw.script = lambda *_: (_ for _ in ()).throw(ConnectionError())
    assert gateway.get("/users").status == 502
    assert len(raw.requests) == 2


def test_a_response_that_has_begun_is_not_asked_for_again(pair: Pair) -> None:
    gateway, raw = pair

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 2")
        raise ConnectionError

    raw.script = script
    assert gateway.get("/users").status == 502
    assert len(raw.requests) == 1


def test_idle_connections_are_closed_before_the_upstream_would(pair: Pair) -> None:
    gateway, raw = pair
    closed = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(OK)
        with suppress(ConnectionError):
            if not sock.recv(1):
                closed.set()
        raise ConnectionError

    raw.script = script
    gateway.get("/posts")
    assert closed.wait(3)


def test_keep_alive_connections_are_reused(pair: Pair) -> None:
    gateway, raw = pair
    before = raw.connections
    for _ in range(20):
        gateway.get("/posts")
    assert raw.connections - before <= 2


# Replicas. The loopback network has addresses enough; the resolver is made to list them.


@pytest.fixture
def replicas(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Three raw upstreams at one port of 127.0.0.2 to .4; `listed` is what the name resolves to."""
    with ExitStack() as stack:
        port = free_port()
        hosts = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
        raws = [stack.enter_context(closing(RawUpstream(host, port))) for host in hosts]
        listed = list(hosts)

        real = uvloop.Loop.getaddrinfo

        async def getaddrinfo(loop: Any, host: str, port: int, **named: Any) -> Any:
            if host != "several":
                return await real(loop, host, port, **named)
            if not listed:
                raise socket.gaierror
            return [(2, 1, 6, "", (address, port)) for address in listed]

        monkeypatch.setattr(uvloop.Loop, "getaddrinfo", getaddrinfo)
        yield f"http://several:{port}", raws, listed


def test_requests_are_spread_over_all_replicas(gateway: Start, replicas: Any) -> None:
    url, raws, _ = replicas
    running = gateway(url)
    for _ in range(30):
        assert running.get("/posts").status == 200
    assert [len(raw.requests) for raw in raws] == [10, 10, 10]


def test_a_busy_replica_gets_less(gateway: Start, replicas: Any) -> None:
    url, raws, _ = replicas
    raws[0].script = hang
    running = gateway(url)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(running.connect()).sendall(GET)
        eventually(lambda: all(raw.requests for raw in raws))
        for _ in range(20):
            assert running.get("/posts").status == 200
    assert len(raws[0].requests) == 1


def test_a_replica_that_refuses_is_left_out_and_nobody_notices(
    gateway: Start, replicas: Any
) -> None:
    url, raws, _ = replicas
    running = gateway(url)
    raws[1].close()
    answers = [running.get("/users", method="POST", body=b"x").status for _ in range(30)]
    assert answers == [200] * 30
    assert len(raws[1].requests) == 0
    with closing(RawUpstream("127.0.0.3", raws[1].port)) as back:

        def is_asked() -> bool:
            return running.get("/posts").status == 200 and bool(back.requests)

        eventually(is_asked, seconds=2)


def test_a_gateway_out_of_descriptors_blames_no_replica(
    start: Callable[..., Process], upstream: RawUpstream
) -> None:
    it = start(GATEWAY_BLOG_SERVICE_URL=upstream.url)
    it.wait_until_up()
    with socket.create_connection(("127.0.0.1", it.port)) as sock:
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")  # so that it is accepted
        assert b" 200 " in read_head(sock)[0]
        used = {int(entry.name) for entry in Path(f"/proc/{it.process.pid}/fd").iterdir()}
        lowest_free = min(set(range(1000)) - used)
        _, most = resource.prlimit(it.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(it.process.pid, resource.RLIMIT_NOFILE, (lowest_free, most))
        sock.sendall(GET)
        assert b" 503 " in read_head(sock)[0]
        resource.prlimit(it.process.pid, resource.RLIMIT_NOFILE, (most, most))
        sock.sendall(GET_LAST)
        assert b" 200 " in read_all(sock)


def test_a_lost_request_is_repeated_on_another_replica(gateway: Start, replicas: Any) -> None:
    url, raws, _ = replicas
    raws[0].script = lambda *_: (_ for _ in ()).throw(ConnectionError())
    running = gateway(url)
    assert [running.get("/posts").status for _ in range(9)] == [200] * 9


def test_who_is_refused_asks_another_replica_however_long_resolving_takes(
    gateway: Start, replicas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstreams, "PROBE_INTERVAL", 0.0)  # over by the time that it is resolved
    url, raws, listed = replicas
    del listed[2:]
    raws[0].close()
    raws[1].script = hang
    running = gateway(url)
    with running.connect() as busy:
        busy.sendall(GET)
        eventually(lambda: raws[1].requests)
        raws[1].script = lambda sock, _: sock.sendall(OK)
        assert [running.get("/posts").status for _ in range(3)] == [200] * 3


def test_a_left_out_replica_is_probed_by_one_request_at_a_time(
    gateway: Start, replicas: Any
) -> None:
    url, raws, listed = replicas
    del listed[1:]
    raws[0].close()
    running = gateway(url)
    assert running.get("/posts").status == 503
    time.sleep(0.6)  # until it may be probed
    with taking_no_connection("127.0.0.2", raws[0].port), running.connect() as probe:
        probe.sendall(GET)
        eventually(lambda: running.get("/posts").status == 503, seconds=1.5)
        began = time.monotonic()
        assert [running.get("/posts").status for _ in range(5)] == [503] * 5
        assert time.monotonic() - began < 1.5  # a probe that is not answered takes 2 s


def test_added_and_removed_replicas_are_noticed_within_seconds(
    gateway: Start, replicas: Any
) -> None:
    url, raws, listed = replicas
    removed = listed.pop()
    running = gateway(url)
    for _ in range(9):
        running.get("/posts")
    assert not raws[2].requests
    listed.append(removed)
    listed.remove("127.0.0.2")
    eventually(lambda: running.get("/posts").status == 200 and raws[2].requests, seconds=4)
    before = len(raws[0].requests)
    assert [running.get("/posts").status for _ in range(9)] == [200] * 9
    assert len(raws[0].requests) == before


def test_a_service_that_appears_or_moves_is_found_by_the_first_request(
    gateway: Start, replicas: Any
) -> None:
    url, raws, listed = replicas
    listed.clear()
    running = gateway(url)
    assert running.get("/posts").status == 503
    listed.append("127.0.0.2")
    assert running.get("/posts").status == 200
    raws[0].close()
    listed[:] = ["127.0.0.3"]
    assert running.get("/posts", method="POST", body=b"x").status == 200
    assert len(raws[1].requests) == 1


# Cancelled requests.


def test_cancelled_requests_leave_the_pool_whole(gateway: Start, upstream: RawUpstream) -> None:
    cancel_many(gateway(upstream.url), upstream, 300)


@pytest.mark.slow
def test_5000_cancelled_requests_leave_the_pool_whole(
    gateway: Start, upstream: RawUpstream
) -> None:
    cancel_many(gateway(upstream.url), upstream, 5000)


def cancel_many(running: Running, upstream: RawUpstream, times: int) -> None:
    def script(sock: socket.socket, _: bytes) -> None:
        time.sleep(0.015)
        sock.sendall(OK)

    upstream.script = script
    for start in range(0, times, 50):
        socks = [running.connect() for _ in range(50)]
        for index, sock in enumerate(socks):
            sock.sendall(GET)
            time.sleep((start + index) % 4 / 5000)
            if index >= 10:
                socks[index - 10].close()
        for sock in socks:
            sock.close()
    upstream.script = None
    began = time.monotonic()
    assert [running.get("/posts").status for _ in range(50)] == [200] * 50
    assert time.monotonic() - began < 1
    (replica,) = running.app.upstreams["blog-service"]._replicas
    eventually(lambda: replica.in_flight == 0)


# The gateway's own answers.


@pytest.mark.parametrize("path", ["/nope", "/posts/../x", "/livez", "/posts"])
def test_every_answer_has_the_security_fields_and_one_request_id(pair: Pair, path: str) -> None:
    gateway, _ = pair
    answer = gateway.get(path)
    assert answer.all(b"x-content-type-options") == [b"nosniff"]
    assert answer.all(b"x-frame-options") == [b"DENY"]
    assert len(answer.all(b"content-security-policy")) == 1
    assert len(answer.all(b"x-request-id")) == len(answer.all(b"date")) == 1
    assert answer.all(b"server") == []


def test_the_upstream_s_own_security_and_cors_fields_are_replaced(pair: Pair) -> None:
    gateway, raw = pair
    raw.reply = (
        b"HTTP/1.1 200 OK\r\nX-Frame-Options: ALLOWALL\r\nAccess-Control-Allow-Origin: *\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    answer = gateway.get("/posts", b"Origin: https://a.example")
    assert answer.all(b"x-frame-options") == [b"DENY"]
    assert answer.all(b"access-control-allow-origin") == []


def test_cors_is_for_the_listed_origins(gateway: Start, upstream: RawUpstream) -> None:
    """The Fetch standard, section 3.3."""
    running = gateway(upstream.url, cors_origins="https://a.example,https://b.example")
    good = running.get("/posts", b"Origin: https://a.example")
    assert good.all(b"access-control-allow-origin") == [b"https://a.example"]
    assert good.all(b"vary") == [b"Origin"]
    bad = running.get("/posts", b"Origin: https://evil.example")
    assert bad.all(b"access-control-allow-origin") == []
    upstream.requests.clear()
    preflight = (
        b"Origin: https://b.example",
        b"Access-Control-Request-Method: PATCH",
        b"Access-Control-Request-Headers: authorization",
    )
    answer = running.get("/posts/1", *preflight, method="OPTIONS")
    assert (answer.status, upstream.requests) == (200, [])
    assert answer.all(b"access-control-allow-origin") == [b"https://b.example"]
    assert answer.all(b"access-control-allow-headers") == [b"authorization"]
    assert b"PATCH" in answer.all(b"access-control-allow-methods")[0]
    assert len(answer.all(b"x-request-id")) == 1


def asking(method: bytes, *lines: bytes) -> tuple[bytes, ...]:
    """A preflight of a listed origin."""
    return b"Origin: https://a.example", b"Access-Control-Request-Method: " + method, *lines


def test_what_a_preflight_is_not_granted_it_is_not_told(
    gateway: Start, upstream: RawUpstream
) -> None:
    """The Fetch standard, section 4.8: the browser compares what it asked for with this."""
    running = gateway(upstream.url, cors_origins="https://a.example")
    private = b"Access-Control-Request-Private-Network: true"
    for lines in (asking(b"PURGE"), asking(b"GET", private)):
        answer = running.get("/posts/1", *lines, method="OPTIONS")
        assert (answer.status, answer.body) == (200, b"")
        assert b"PURGE" not in answer.all(b"access-control-allow-methods")[0]
        assert answer.all(b"access-control-allow-private-network") == []
    assert upstream.requests == []


def test_a_preflight_of_another_origin_is_a_request_like_any_other(
    gateway: Start, upstream: RawUpstream
) -> None:
    running = gateway(upstream.url, cors_origins="https://a.example")
    lines = (b"Origin: https://evil.example", b"Access-Control-Request-Method: GET")
    answer = running.get("/posts/1", *lines, method="OPTIONS")
    assert (answer.body, answer.all(b"access-control-allow-origin")) == (b"ok", [])
    assert len(upstream.requests) == 1


def test_a_preflight_is_judged_and_counted_like_any_request(
    gateway: Start, upstream: RawUpstream
) -> None:
    running = gateway(upstream.url, cors_origins="*", rate_limit="on")
    refused = running.get("/posts/../x", *asking(b"GET"), method="OPTIONS")
    assert (refused.status, refused.all(b"content-type")) == (400, PROBLEM)
    assert refused.all(b"access-control-allow-origin") == [b"*"]
    answers = [running.get("/users", *asking(b"GET"), method="OPTIONS") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]


def test_scripts_may_read_the_gateway_s_fields_and_the_upstream_s_vary_stays(
    gateway: Start, upstream: RawUpstream
) -> None:
    upstream.reply = b"HTTP/1.1 200 OK\r\nVary: Accept\r\nVary: Cookie\r\nContent-Length: 0\r\n\r\n"
    running = gateway(upstream.url, cors_origins="https://a.example")
    answer = running.get("/posts", b"Origin: https://a.example")
    assert answer.all(b"vary") == [b"Accept", b"Cookie", b"Origin"]
    assert b"X-Request-ID" in answer.all(b"access-control-expose-headers")[0]


def test_the_rate_limit_fields_are_the_gateway_s_own(pair: Pair) -> None:
    gateway, raw = pair
    raw.reply = (
        b"HTTP/1.1 200 OK\r\nRateLimit: x\r\nRateLimit-Policy: y\r\nContent-Length: 0\r\n\r\n"
    )
    answer = gateway.get("/posts")
    assert answer.all(b"ratelimit") == answer.all(b"ratelimit-policy") == []


def test_writes_to_posts_need_a_token_and_reads_do_not(
    gateway: Start, upstream: RawUpstream
) -> None:
    """RFC 6750, section 3."""
    running = gateway(upstream.url, limits={"posts": {"writes": "signed-in"}})
    for method in ("POST", "PATCH", "DELETE", "PUT", "PURGE"):
        answer = running.get("/posts/1", method=method)
        assert (answer.status, answer.all(b"www-authenticate")) == (401, [b"Bearer"])
    assert upstream.requests == []
    for method in ("GET", "HEAD", "OPTIONS"):
        assert running.get("/posts/1", method=method).status == 200


def test_too_many_requests_are_429(gateway: Start, upstream: RawUpstream) -> None:
    """RFC 6585, section 4."""
    running = gateway(upstream.url, rate_limit="on")
    forged = [b"X-Forwarded-For: 10.0.0.%d" % index for index in range(11)]
    answers = [running.get("/auth/token", field, method="POST") for field in forged]
    assert [answer.status for answer in answers] == [200] * 10 + [429]
    assert int(answers[-1].all(b"retry-after")[0]) > 0
    assert answers[0].all(b"ratelimit")
    assert running.get("/posts").status == 200
    value_of = running.app.metrics.registry.get_sample_value
    assert value_of("gateway_limited_total", {"route": "/auth"}) == 1
    assert value_of("gateway_limited_total", {"route": "/posts"}) is None


@pytest.mark.parametrize("spelling", ["/auth/token%0A", "/auth/token%00", "/auth/token%0D%0A"])
def test_no_spelling_of_a_path_gets_around_its_limit(
    gateway: Start, upstream: RawUpstream, spelling: str
) -> None:
    running = gateway(upstream.url, rate_limit="on")
    assert running.get(spelling, method="POST").status == 400
    assert upstream.requests == []


def test_a_trusted_proxy_s_clients_are_counted_apart(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url, rate_limit="on", trusted_proxies="127.0.0.1")

    def statuses(forwarded: bytes) -> list[int]:
        field = b"X-Forwarded-For: " + forwarded
        return [running.get("/auth/token", field, method="POST").status for _ in range(11)]

    assert statuses(b"192.0.2.1") == [200] * 10 + [429]
    assert statuses(b"6.6.6.6, 192.0.2.1") == [429] * 11  # only the last is the proxy's word
    assert statuses(b"192.0.2.2") == [200] * 10 + [429]


def test_stopping_is_announced_and_what_is_in_flight_ends(
    gateway: Start, upstream: RawUpstream
) -> None:
    go_on = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        assert go_on.wait(5)
        sock.sendall(OK)

    running = gateway(upstream.url, drain_seconds=0.5)
    with running.connect() as slow, running.connect() as idle:
        idle.sendall(GET)
        assert b" 200 " in receive(idle)
        upstream.script = script
        slow.sendall(GET)
        eventually(lambda: len(upstream.requests) == 2)
        running.server.should_exit = True
        eventually(lambda: running.app.draining)
        upstream.script = None
        assert running.get("/readyz").status == 503
        assert running.get("/livez").status == 200
        idle.sendall(GET)
        assert b"connection: close" in read_all(idle)
        go_on.set()
        assert b" 200 " in read_all(slow)
    running.stop()
