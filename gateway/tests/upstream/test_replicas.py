"""Requests go to the best of a service's replicas; one that fails costs no request."""

import resource
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from support.gateway import Start
from support.process import StartProcess
from support.upstream import RawUpstream, answer_after, hang, send_and_close
from support.waiting import PATIENCE, eventually
from support.wire import GET, GET_LAST, read_all, read_head, reply

from chassis_testing.ports import free_port
from gateway.upstream import replicas as replicas_module
from gateway.upstream import upstream as upstream_module


@pytest.fixture(autouse=True)
def _ask_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas_module, "CHECK_INTERVAL", 0.02)


WELL = ["WELL"] * 3


def test_requests_are_spread_over_all_replicas(gateway: Start, replicas: Any) -> None:
    url, raws, _ = replicas
    running = gateway(url)
    eventually(lambda: running.standings == WELL)
    for _ in range(30):
        assert running.get("/posts").status == 200
    assert [len(raw.requests) for raw in raws] == [10, 10, 10]


def test_a_busy_replica_gets_fewer_requests(gateway: Start, replicas: Any) -> None:
    url, raws, _ = replicas
    raws[0].script = hang
    running = gateway(url)
    eventually(lambda: running.standings == WELL)
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
    eventually(lambda: running.standings == WELL)
    raws[1].close()
    answers = [running.get("/users", method="POST", body=b"x").status for _ in range(30)]
    assert answers == [200] * 30
    assert len(raws[1].requests) == 0
    with closing(RawUpstream("127.0.0.3", raws[1].port)) as back:

        def is_asked() -> bool:
            return running.get("/posts").status == 200 and bool(back.requests)

        eventually(is_asked)


def test_every_replica_is_asked_before_a_request_fails(
    gateway: Start, replicas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, raws, _ = replicas
    running = gateway(url)
    eventually(lambda: running.standings == WELL)
    # Only requests find out who refuses.
    monkeypatch.setattr(replicas_module, "CHECK_INTERVAL", 600.0)
    raws[0].close()
    raws[1].close()
    assert running.get("/posts", method="POST", body=b"x").status == 200
    assert running.metric("gateway_retries_total", upstream="blog-service") is None


def test_a_replica_that_does_not_listen_yet_gets_no_request(gateway: Start, replicas: Any) -> None:
    url, raws, listed = replicas
    raws[1].close()
    raws[2].close()
    late = listed[1:]
    del listed[1:]
    running = gateway(url)
    eventually(lambda: running.standings == ["WELL"])
    listed += late
    eventually(lambda: len(running.standings) == 3)
    for _ in range(20):
        assert running.get("/posts", method="POST", body=b"x").status == 200
    assert running.metric("gateway_retries_total", upstream="blog-service") is None
    with closing(RawUpstream("127.0.0.3", raws[1].port)) as started:
        eventually(lambda: running.get("/posts").status == 200 and started.requests)


def test_a_replica_that_is_not_ready_is_asked_only_if_no_other_is(
    gateway: Start, replicas: Any
) -> None:
    url, raws, listed = replicas
    raws[0].shows_readiness = True
    raws[0].reply = reply(status=b"503 Service Unavailable")
    running = gateway(url)
    eventually(lambda: running.standings == ["UNREADY", "WELL", "WELL"])
    assert [running.get("/posts").status for _ in range(9)] == [200] * 9
    listed[:] = ["127.0.0.2"]
    eventually(lambda: running.get("/posts").status == 503)
    assert raws[0].requests  # the service's own answer


def test_a_gateway_out_of_descriptors_blames_no_replica(
    start: StartProcess, upstream: RawUpstream
) -> None:
    it = start(GATEWAY_BLOG_SERVICE_URL=upstream.url)
    it.wait_until_up()
    with it.connect() as sock:
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")  # so that it is accepted
        assert b" 200 " in read_head(sock)[0]
        lowest_free = min(set(range(1000)) - kept_descriptors(it.process.pid))
        _, most = resource.prlimit(it.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(it.process.pid, resource.RLIMIT_NOFILE, (lowest_free, most))
        sock.sendall(GET)
        assert b" 503 " in read_head(sock)[0]
        resource.prlimit(it.process.pid, resource.RLIMIT_NOFILE, (most, most))
        sock.sendall(GET_LAST)
        assert b" 200 " in read_all(sock)


def kept_descriptors(pid: int) -> set[int]:
    """Return the descriptors that stay open. A probe's is missing from some of the listings."""
    listings = []
    for _ in range(20):
        listings.append({int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()})
        time.sleep(0.01)
    return set.intersection(*listings)


def test_a_lost_request_is_repeated_on_another_replica(gateway: Start, replicas: Any) -> None:
    url, raws, _ = replicas
    raws[0].script = send_and_close(b"")
    running = gateway(url)
    eventually(lambda: running.standings == WELL)
    assert [running.get("/posts").status for _ in range(9)] == [200] * 9


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
    eventually(lambda: running.standings == ["WELL"])
    raws[0].close()
    listed[:] = ["127.0.0.3"]
    assert running.get("/posts", method="POST", body=b"x").status == 200
    assert len(raws[1].requests) == 1


def test_a_service_that_is_gone_is_searched_for_however_lately_its_name_was_resolved(
    gateway: Start, replicas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas_module, "RESOLVE_INTERVAL", 3600)
    url, raws, listed = replicas
    listed[:] = ["127.0.0.2"]
    running = gateway(url)
    eventually(lambda: running.standings == ["WELL"])
    raws[0].close()
    eventually(lambda: running.standings == ["OUT"])
    listed[:] = ["127.0.0.3"]
    eventually(lambda: running.standings == ["WELL"])


def test_metrics_show_which_services_and_replicas_are_well(gateway: Start, replicas: Any) -> None:
    url, raws, listed = replicas
    raws[1].close()
    running = gateway(url, f"http://127.0.0.1:{free_port()}")
    names = [f"{host}:{raws[0].port}" for host in listed]

    def shown() -> tuple[list[float | None], list[float | None]]:
        services = [
            running.metric("gateway_upstream_up", upstream=it)
            for it in ("blog-service", "platform-service")
        ]
        replicas = [
            running.metric("gateway_replica_up", upstream="blog-service", replica=it)
            for it in names
        ]
        return services, replicas

    eventually(lambda: shown() == ([1, 0], [1, 0, 1]))
    del listed[1:]
    eventually(lambda: shown() == ([1, 0], [1, None, None]))
    raws[0].close()
    eventually(lambda: shown() == ([0, 0], [0, None, None]))


def test_a_replica_that_is_removed_during_its_check_stays_out_of_the_metrics(
    gateway: Start, replicas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_module, "START_TIMEOUT", 0.0)  # so that no check is given up
    monkeypatch.setattr(replicas_module, "CHECK_TIMEOUT", 2 * PATIENCE)
    monkeypatch.setattr(replicas_module, "RESOLVE_INTERVAL", 0.1)
    url, raws, listed = replicas
    removed, go_on = listed[2], threading.Event()
    raws[2].script, raws[2].shows_readiness = answer_after(go_on), True
    running = gateway(url)

    def shown() -> float | None:
        name = f"{removed}:{raws[2].port}"
        return running.metric("gateway_replica_up", upstream="blog-service", replica=name)

    eventually(lambda: running.standings == ["WELL", "WELL", "NEW"])
    listed.remove(removed)
    eventually(lambda: shown() is None)
    checks = running.checks
    go_on.set()
    eventually(lambda: all(check.done() for check in checks))
    assert shown() is None
