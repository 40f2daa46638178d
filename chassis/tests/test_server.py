"""The server: it drains before it stops, loses nothing, and a signal ends it at any moment."""

import gc
import http.client
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from conftest import SAMPLE

from chassis.server import bind, spare_the_collector
from chassis_testing.ports import has_ipv6
from chassis_testing.running import SECONDS, Part, await_url, finish
from chassis_testing.waiting import until

RESET = 0  # instead of a status
SETTINGS = {"SAMPLE_DATABASE_URL": "sqlite:///sample.db"}
# Its lifespan sends the signal named by SAMPLE_SIGNAL to its own process before it is complete.
SIGNALLED = """
import chassis.signals
import os
from contextlib import asynccontextmanager
from chassis.app import make_app
from chassis.server import serve
from chassis.settings import PartSettings

@asynccontextmanager
async def lifespan(app):
    os.kill(os.getpid(), int(os.environ["SAMPLE_SIGNAL"]))
    yield
    print("ended as it should", flush=True)

class Settings(PartSettings):
    part = "signalled"

if __name__ == "__main__":
    serve(make_app("signalled", lifespan), Settings(port=0, drain_seconds=0))
"""


def test_a_taken_port_stops_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, out, err = finish(SAMPLE.start(tmp_path, "sample", **SETTINGS, SAMPLE_PORT=port))
    assert code == 1
    assert err == f"sample: cannot listen at port {port}: Address already in use.\n"
    assert "Traceback" not in out


def test_an_address_of_another_machine_stops_the_start(tmp_path: Path) -> None:
    code, _, err = finish(SAMPLE.start(tmp_path, "sample", **SETTINGS, SAMPLE_HOST="203.0.113.1"))
    assert code == 1
    assert re.fullmatch(r"sample: cannot listen at port \d+: [^\n]+\.\n", err)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("hosts", ["127.0.0.1,::1", "0.0.0.0,::"])
def test_it_listens_at_every_address_on_one_port(tmp_path: Path, hosts: str) -> None:
    with SAMPLE.process(tmp_path, **SETTINGS, SAMPLE_HOST=hosts) as (_, url):
        port = url.rpartition(":")[2]
        for host in ("127.0.0.1", "[::1]"):
            answer = httpx.get(f"http://{host}:{port}/readyz", trust_env=False)
            assert answer.status_code == 200


ABSENT_FAMILY = 12  # DECnet, which Linux has no more


def test_an_address_of_a_family_that_is_absent_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "AF_INET6", ABSENT_FAMILY)
    [bound] = bind(("::", "127.0.0.1", "::1"), 0)
    with bound:
        assert bound.getsockname()[0] == "127.0.0.1"


def test_without_any_other_address_an_absent_family_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "AF_INET6", ABSENT_FAMILY)
    with pytest.raises(OSError, match="not supported"):
        bind(("::", "::1"), 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_arrives_before_the_start_is_complete_ends_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "signalled.py").write_text(SIGNALLED)
    part = Part("signalled", tmp_path, "SAMPLE_")
    code, out, err = finish(part.start(tmp_path, "signalled", SAMPLE_SIGNAL=str(int(number))))
    assert code == -number
    assert "ended as it should" in out
    assert err == ""


def test_a_sigint_that_is_ignored_on_purpose_does_not_stop_it(
    tmp_path: Path, ignoring: Callable[[signal.Signals], None]
) -> None:
    ignoring(signal.SIGINT)
    with SAMPLE.process(tmp_path, **SETTINGS, SAMPLE_DRAIN_SECONDS="0") as (running, url):
        running.send_signal(signal.SIGINT)
        time.sleep(1)  # long enough for the end that there would be
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
        running.terminate()
        assert finish(running)[0] == -signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_drains_and_loses_nothing(tmp_path: Path, number: signal.Signals) -> None:
    body = b'{"text": "In flight"}'
    with SAMPLE.process(tmp_path, **SETTINGS, SAMPLE_DRAIN_SECONDS="3") as (running, url):
        idle = http.client.HTTPConnection(url.removeprefix("http://"), timeout=SECONDS)
        idle.request("GET", "/readyz")
        assert idle.getresponse().read()
        in_flight = _begin_post(url, len(body))
        running.send_signal(number)
        answer = _first_while_draining(idle)
        assert answer.headers["Connection"] == "close"
        assert answer.headers["Retry-After"] == "1"
        until(lambda: _is_refused(url), "the end of listening")
        in_flight.send(body)
        assert in_flight.getresponse().status == 201
        code, _, err = finish(running)
    assert code == -number
    assert err == ""


def test_a_second_interrupt_ends_the_draining(tmp_path: Path) -> None:
    with SAMPLE.process(tmp_path, **SETTINGS, SAMPLE_DRAIN_SECONDS="60") as (running, url):
        idle = http.client.HTTPConnection(url.removeprefix("http://"), timeout=SECONDS)
        running.send_signal(signal.SIGINT)
        _first_while_draining(idle)
        running.send_signal(signal.SIGINT)
        until(lambda: running.poll() is not None, "the end of the process")


def test_a_client_that_connects_while_it_stops_is_answered_or_refused(tmp_path: Path) -> None:
    answered: list[int] = []
    with (
        SAMPLE.process(tmp_path, **SETTINGS, SAMPLE_DRAIN_SECONDS="0.6") as (running, url),
        ThreadPoolExecutor(20) as pool,
    ):
        printed = pool.submit(running.communicate)  # else a full pipe would stop it
        clients = [pool.submit(_ask_until_refused, url, answered) for _ in range(19)]
        until(lambda: len(answered) >= 100, "the hundredth answer")
        running.terminate()
        for client in clients:
            client.result()
        assert printed.result()[1] == ""
    assert set(answered) <= {200, RESET}
    # A client between the last accept() and close() is lost. To close alone loses nearly all.
    assert answered.count(RESET) <= 2


def test_many_starters_at_once_on_an_empty_file_all_serve(tmp_path: Path) -> None:
    starters = [SAMPLE.start(tmp_path, "sample", **SETTINGS) for _ in range(4)]
    try:
        for url in [await_url(starter) for starter in starters]:
            assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
            body = {"text": "x"}
            assert httpx.post(f"{url}/notes", json=body, trust_env=False).status_code == 201
        assert len(httpx.get(f"{url}/notes/", trust_env=False).json()) == len(starters)
    finally:
        for starter in starters:
            with starter:
                starter.kill()


@pytest.fixture
def collector() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


@pytest.mark.usefixtures("collector")
def test_the_objects_of_the_start_are_spared_by_the_collector() -> None:
    spare_the_collector()
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold()[0] > 10_000


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
    connection.putrequest("POST", "/notes/")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(length))
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    assert connection.sock.recv(1024).startswith(b"HTTP/1.1 100 ")
    return connection


def _first_while_draining(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    answers: list[http.client.HTTPResponse] = []

    def is_draining() -> bool:
        connection.request("GET", "/readyz")
        answers.append(connection.getresponse())
        answers[-1].read()
        return answers[-1].status == 503

    until(is_draining, "the beginning of draining")
    return answers[-1]


def _is_refused(url: str) -> bool:
    try:
        httpx.get(f"{url}/livez", trust_env=False)
    except httpx.TransportError:
        return True
    return False


UPGRADES = [b"h2c", b"websocket", b"x"]


def exchange(url: str, *parts: bytes) -> bytes:
    """Send the parts, each on its own, and return what comes until the server closes."""
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), SECONDS) as wire:
        for part in parts:
            wire.sendall(part)
        received = b""
        while data := wire.recv(65536):
            received += data
        return received


def test_a_request_to_upgrade_is_answered_as_it_stands_with_its_body(tmp_path: Path) -> None:
    body = b'{"text": "direct"}'
    head = b"POST /notes/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    head += b"Content-Length: %d\r\n" % len(body)
    last = b"GET /notes/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with SAMPLE.process(tmp_path, **SETTINGS) as (_, url):
        for number, upgrade in enumerate(UPGRADES, start=1):
            asking = head + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\n\r\n" % upgrade
            twice = exchange(url, asking + body + asking + body + last)
            apart = exchange(url, asking[:50], asking[50:], body[:5], body[5:], last)
            assert (twice + apart).count(b"HTTP/1.1 201 Created") == 3
            assert apart.count(b'"text":"direct"') == 1 + 3 * number


def test_requests_to_upgrade_may_stand_in_a_long_row(tmp_path: Path) -> None:
    asking = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    last = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with SAMPLE.process(tmp_path, **SETTINGS) as (_, url):
        assert exchange(url, asking * 100 + last).count(b"HTTP/1.1 200 OK") == 101
        refused = exchange(url, b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 400 ")
