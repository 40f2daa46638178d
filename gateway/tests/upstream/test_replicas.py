"""Several addresses behind one name; the loopback network has enough of them."""

import resource
import socket
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import uvloop
from support.gateway import Start
from support.process import StartProcess
from support.upstream import (
    RawUpstream,
    by_path,
    free_port,
    hang,
    send_and_close,
    taking_no_connection,
)
from support.waiting import eventually
from support.wire import GET, GET_LAST, read_all, read_head

from gateway.upstream import pool


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


def test_a_busy_replica_gets_fewer_requests(gateway: Start, replicas: Any) -> None:
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


def test_a_replica_that_refuses_is_left_out_without_an_error(gateway: Start, replicas: Any) -> None:
    url, raws, _ = replicas
    running = gateway(url)
    raws[1].close()
    answers = [running.get("/users", method="POST", body=b"x").status for _ in range(30)]
    assert answers == [200] * 30
    assert len(raws[1].requests) == 0
    with closing(RawUpstream("127.0.0.3", raws[1].port)) as back:

        def is_asked() -> bool:
            return running.get("/posts").status == 200 and bool(back.requests)

        eventually(is_asked)


def test_a_gateway_out_of_descriptors_blames_no_replica(
    start: StartProcess, upstream: RawUpstream
) -> None:
    it = start(GATEWAY_BLOG_SERVICE_URL=upstream.url)
    it.wait_until_up()
    with it.connect() as sock:
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
    raws[0].script = send_and_close(b"")
    running = gateway(url)
    assert [running.get("/posts").status for _ in range(9)] == [200] * 9


def test_a_refused_request_asks_another_replica_however_long_resolving_takes(
    gateway: Start, replicas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "PROBE_INTERVAL", 0.0)  # over by the time that it is resolved
    url, raws, listed = replicas
    del listed[2:]
    raws[0].close()
    raws[1].script = hang
    running = gateway(url)
    with running.connect() as busy:
        busy.sendall(GET)
        eventually(lambda: raws[1].requests)
        raws[1].script = by_path({})
        assert [running.get("/posts").status for _ in range(3)] == [200] * 3


def test_a_left_out_replica_is_probed_by_one_request_at_a_time(
    gateway: Start, replicas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "PROBE_INTERVAL", 0.0)
    url, raws, listed = replicas
    del listed[1:]
    raws[0].close()
    running = gateway(url, limits={"defaults": {"connect_timeout": 600.0}})
    assert running.get("/posts").status == 503
    with taking_no_connection("127.0.0.2", raws[0].port), running.connect() as probe:
        probe.sendall(GET)
        eventually(lambda: running.in_flight == 1)
        assert [running.get("/posts").status for _ in range(5)] == [503] * 5
        assert running.in_flight == 1


def test_added_and_removed_replicas_are_noticed(gateway: Start, replicas: Any) -> None:
    url, raws, listed = replicas
    removed = listed.pop()
    running = gateway(url)
    for _ in range(9):
        running.get("/posts")
    assert not raws[2].requests
    listed.append(removed)
    listed.remove("127.0.0.2")
    eventually(lambda: running.get("/posts").status == 200 and raws[2].requests)
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
