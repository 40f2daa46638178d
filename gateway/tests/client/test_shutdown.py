"""Stopping: announced, patient with requests in flight, and over in a bounded time."""

import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support.gateway import Start
from support.logs import logged
from support.process import StartProcess
from support.upstream import RawUpstream, answer_after, by_path, hang
from support.waiting import eventually
from support.wire import GET, Answer, parse, read_all, read_head, receive

from gateway.client import connection, server

RESET = 0  # in place of a status


SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
# Runs the gateway, which sends itself a signal in the moment in which its port opens.
SIGNALLED_AT_ONCE = """
import os, runpy, socket, sys

def listen(self, backlog):
    socket.socket.listen = original
    self.listen(backlog)
    os.kill(os.getpid(), int(sys.argv[1]))

original, socket.socket.listen = socket.socket.listen, listen
runpy.run_module("gateway", run_name="__main__")
"""


@SIGNALS
def test_a_signal_ends_it_cleanly(start: StartProcess, number: int) -> None:
    it = start(GATEWAY_DRAIN_SECONDS="0.1")
    it.wait_until_up()
    it.process.send_signal(number)
    assert it.end()[0] == -number


@SIGNALS
def test_a_signal_during_the_imports_ends_it_without_a_traceback(
    start: StartProcess, number: int
) -> None:
    it = start(PYTHONPROFILEIMPORTTIME="1")
    assert it.process.stderr
    imported = next(line for line in it.process.stderr if b"pydantic" in line)
    it.process.send_signal(number)
    code, _, err = it.end()
    assert (code, "Traceback" in err) == (-number, False), (imported, err)


@SIGNALS
def test_a_signal_that_comes_with_the_open_port_ends_it_cleanly(
    start: StartProcess, number: int
) -> None:
    it = start("-c", SIGNALLED_AT_ONCE, str(int(number)), GATEWAY_DRAIN_SECONDS="0")
    status, out, err = it.end()
    assert (status, err) == (-number, "")
    assert "Finished server process" in out  # it came to its end by itself


def test_a_second_ctrl_c_ends_it_at_once_and_loses_no_log_line(
    start: StartProcess, upstream: RawUpstream
) -> None:
    def hang_but_be_ready(sock: socket.socket, head: bytes) -> None:
        answer = by_path({}) if b"/readyz" in head else hang
        answer(sock, head)

    upstream.script = hang_but_be_ready
    it = start(GATEWAY_BLOG_SERVICE_URL=upstream.url, GATEWAY_DRAIN_SECONDS="60")
    it.wait_until_up()
    with it.connect() as sock:
        sock.sendall(b"GET /posts HTTP/1.1\r\nHost: a\r\n\r\n")
        eventually(lambda: any(b"/posts" in request for request in upstream.requests))
        it.process.send_signal(signal.SIGINT)
        eventually(lambda: httpx.get(f"http://127.0.0.1:{it.port}/readyz").status_code == 503)
        it.process.send_signal(signal.SIGINT)
        code, out, _ = it.end()
    assert code == -signal.SIGINT
    assert '"path":"/posts","status":503' in out


def test_clients_that_connect_while_it_stops_are_answered_or_refused(start: StartProcess) -> None:
    it = start(GATEWAY_DRAIN_SECONDS="0.6")
    it.wait_until_up()
    answered: list[int] = []

    def ask_until_refused() -> None:
        while True:
            try:
                with it.connect() as sock:
                    sock.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
                    answered.append(parse(b"".join(read_head(sock))).status)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                answered.append(RESET)

    with ThreadPoolExecutor(20) as pool:
        printed = pool.submit(it.end)  # otherwise a full pipe would block it
        clients = [pool.submit(ask_until_refused) for _ in range(19)]
        eventually(lambda: len(answered) > 100)
        it.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.result()
        assert printed.result()[0] == -signal.SIGTERM
    # One that connects between the last accept() and close() is reset.
    assert set(answered) <= {200, RESET}


def test_clients_in_the_backlog_are_answered_when_it_stops(
    gateway: Start, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = gateway(upstream.url, drain_seconds=4)
    clients: list[socket.socket] = []
    stop_listening = server.Server._stop_listening

    async def connect_first(self: server.Server) -> None:
        for _ in range(20):  # in the event loop's own thread, so that it cannot accept them yet
            clients.append(running.connect())
            clients[-1].sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        await stop_listening(self)

    monkeypatch.setattr(server.Server, "_stop_listening", connect_first)
    running.stop()
    for client in clients:
        with client:
            assert b" 200 " in read_all(client)
    assert len(clients) == 20


def test_stopping_is_announced_and_requests_in_flight_are_answered(
    gateway: Start, upstream: RawUpstream
) -> None:
    go_on = threading.Event()

    running = gateway(upstream.url, drain_seconds=60)
    with running.connect() as slow, running.connect() as idle:
        idle.sendall(GET)
        assert b" 200 " in receive(idle)
        upstream.script = answer_after(go_on)
        slow.sendall(GET)
        eventually(lambda: len(upstream.requests) == 2)
        running.server.should_exit = True
        eventually(lambda: running.draining)
        upstream.script = None
        assert running.get("/readyz").status == 503
        assert running.get("/livez").status == 200
        idle.sendall(GET)
        assert b"connection: close" in read_all(idle)
        go_on.set()
        assert b" 200 " in read_all(slow)
    running.server.force_exit = True  # as a second Ctrl-C sets it
    running.stop()


def test_stopping_does_not_wait_for_a_client_that_keeps_its_side_open(
    gateway: Start, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LINGER", 0.3)
    monkeypatch.setattr(server, "FINISH_SECONDS", 600)
    go_on = threading.Event()
    upstream.script = answer_after(go_on)
    running = gateway(upstream.url)
    with running.connect() as sock:
        sock.sendall(GET)
        eventually(lambda: upstream.requests)
        running.server.should_exit = True
        eventually(lambda: running.draining)
        go_on.set()
        assert b" 200 " in read_all(sock)
        running.stop()


# A service may have done a write: it must not be sent again unless it has a key.
@pytest.mark.parametrize(
    ("head", "status", "retry_after"),
    [
        (GET, 503, True),
        (GET.replace(b"GET", b"DELETE"), 504, False),
        (GET.replace(b"GET", b"POST"), 504, False),
        (GET.replace(b"GET", b"POST").replace(b"Host", b"Idempotency-Key: a\r\nHost"), 503, True),
    ],
)
def test_a_request_given_up_at_the_end_is_answered_and_logged(
    gateway: Start,
    upstream: RawUpstream,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    *,
    head: bytes,
    status: int,
    retry_after: bool,
) -> None:
    monkeypatch.setattr(server, "FINISH_SECONDS", 1)
    upstream.script = hang
    running = gateway(upstream.url)
    with running.connect() as sock:
        sock.sendall(head)
        eventually(lambda: any(b" /posts " in request for request in upstream.requests))
        running.server.should_exit = True
        answer = parse(read_all(sock))
    running.stop()
    assert (answer.status, logged(capfd, answer)["status"]) == (status, status)
    assert bool(answer.all(b"retry-after")) is retry_after


def test_a_client_that_leaves_while_the_gateway_drains_is_logged_as_one_that_left(
    gateway: Start, upstream: RawUpstream, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream.script = hang
    running = gateway(upstream.url, drain_seconds=60)
    with running.connect() as sock:
        sock.sendall(GET.replace(b"Host", b"X-Request-ID: left\r\nHost"))
        eventually(lambda: upstream.requests)
        running.server.should_exit = True
        eventually(lambda: running.draining)
    assert logged(capfd, Answer(0, [(b"x-request-id", b"left")], b""))["status"] == 499
    running.server.force_exit = True  # as a second Ctrl-C sets it
    running.stop()
