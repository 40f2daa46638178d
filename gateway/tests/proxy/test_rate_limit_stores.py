"""Rate limits in a store that several gateways share, and a store that fails."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from math import inf

import pytest
from pydantic import ValidationError
from support.gateway import Start
from support.limiter import Answer, allowed, ask, check, limiter, seconds_to_wait
from support.upstream import RawUpstream
from support.waiting import PATIENCE

from gateway.proxy import rate_limit_stores
from gateway.proxy.rate_limits import RateLimiter


@pytest.fixture(autouse=True)
def _patient_with_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a store on a slow machine, and pause for longer than the test after a failure."""
    monkeypatch.setattr(rate_limit_stores, "STORE_TIMEOUT", PATIENCE)
    monkeypatch.setattr(rate_limit_stores, "STORE_PAUSE", 600.0)


def test_gateways_with_a_shared_store_count_together(valkey_url: str) -> None:
    one, other = limiter(store=valkey_url), limiter(store=valkey_url)
    assert allowed(ask(one, 7, "PATCH", "/users/me")) == 7
    answers = ask(other, 7, "PATCH", "/users/me")
    assert allowed(answers) == 3
    assert 0 < seconds_to_wait(answers[-1]) <= 60
    assert allowed(ask(other, 1, "PATCH", "/users/me", client="192.0.2.2")) == 1


@pytest.mark.parametrize("store", ["redis://127.0.0.1:9/0", "unix:///nowhere/valkey.sock"])
def test_while_the_store_is_unreachable_requests_are_counted_here(
    caplog: pytest.LogCaptureFixture, store: str
) -> None:
    with caplog.at_level(logging.WARNING):
        answers = ask(limiter(store=store), 30, "PATCH", "/users/me")
    assert allowed(answers) == 10
    assert 0 < seconds_to_wait(answers[-1]) <= 60
    assert [record.name for record in caplog.records] == ["gateway.proxy.rate_limit_stores"]


def test_a_silent_store_is_left_alone_and_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit_stores, "STORE_TIMEOUT", 0.25)

    async def story(one: RateLimiter) -> list[Answer]:
        checks = (check(one, "PATCH", "/users/me") for _ in range(30))
        async with asyncio.timeout(PATIENCE):
            answers = await asyncio.gather(*checks)
        await one.close()
        return answers

    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = limiter(store=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        assert allowed(asyncio.run(story(one))) == 10
    assert len(caplog.records) == 1


class FakeStore:
    """Answers a transaction with `windows`, whatever was in it; None closes the connection."""

    def __init__(self, windows: bytes | None) -> None:
        self.windows = windows
        self.connections = self.transactions = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError, ValueError), closing(sock), sock.makefile("rwb") as stream:
            while line := stream.readline():
                arguments = [
                    self._argument(stream.readline, stream.read) for _ in range(int(line[1:]))
                ]
                answer = {b"EXEC": self.windows, b"MULTI": b"+OK\r\n"}.get(arguments[0], QUEUED)
                self.transactions += arguments[0] == b"EXEC"
                if answer is None:
                    return
                stream.write(b"+OK\r\n" if arguments[0] == b"CLIENT" else answer)
                stream.flush()

    @staticmethod
    def _argument(line: Callable[[], bytes], read: Callable[[int], bytes]) -> bytes:
        return read(int(line()[1:]) + 2)[:-2]

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


QUEUED = b"+QUEUED\r\n"
WINDOW = b"*3\r\n+OK\r\n:1\r\n:60000\r\n"
FAILURES = {
    "two replies": b"*2\r\n+OK\r\n:1\r\n",
    "four replies": b"*4\r\n+OK\r\n:1\r\n:60000\r\n:1\r\n",
    "one number": b":1\r\n",
    "one string": b"$2\r\nab\r\n",
    "nothing": b"$-1\r\n",
    "no list": b"*-1\r\n",
    "words in the place of numbers": b"*3\r\n+OK\r\n$1\r\nx\r\n$1\r\ny\r\n",
    "lists in the place of numbers": b"*3\r\n*0\r\n*0\r\n*0\r\n",
    "a window without an end": b"*3\r\n+OK\r\n:1\r\n:-1\r\n",
    "an error in a reply": b"*3\r\n+OK\r\n-ERR no\r\n:60000\r\n",
    "a replica that only reads": b"-READONLY You can't write against a read only replica.\r\n",
    "no memory": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "an end": None,
}


@pytest.fixture(params=list(FAILURES.values()), ids=list(FAILURES))
def failing(request: pytest.FixtureRequest) -> Iterator[FakeStore]:
    with closing(FakeStore(request.param)) as store:
        yield store


def test_whatever_the_store_answers_requests_are_counted(
    failing: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    one = limiter(store=failing.url)
    assert allowed(ask(one, 12, "PATCH", "/users/me")) == 10
    assert failing.transactions
    assert len(caplog.records) == 1


def test_a_store_that_answers_well_again_is_used_again(failing: FakeStore) -> None:
    """No answer that came too late is taken for another one."""
    one = limiter(store=failing.url)
    assert isinstance(one._store, rate_limit_stores.SharedStore)

    async def story() -> list[Answer]:
        await check(one, "GET", "/")
        one._store._resume_at = time.monotonic()  # type: ignore[union-attr]
        failing.windows = WINDOW
        answers = [await check(one, "PATCH", "/users/me") for _ in range(30)]
        await one.close()
        return answers

    assert allowed(asyncio.run(story())) == 30  # each is the first of its window, says the store
    assert failing.transactions >= 31
    assert failing.connections > 1, "the connection with the bad answer was kept"


def test_a_store_that_fails_is_no_error_for_clients_and_is_counted(
    gateway: Start, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit_stores, "STORE_PAUSE", 0.0)
    with closing(FakeStore(FAILURES["four replies"])) as store:
        running = gateway(upstream.url, rate_limit="on", rate_limit_store=store.url)
        answers = [running.get("/auth/token", method="POST") for _ in range(12)]
    assert [answer.status for answer in answers] == [200] * 10 + [429] * 2
    assert running.metric("gateway_rate_limit_store_failures_total") == 12


def test_a_store_is_asked_again_after_a_pause(valkey_url: str) -> None:
    one = limiter(store=valkey_url)
    assert isinstance(one._store, rate_limit_stores.SharedStore)
    one._store._resume_at = inf
    assert allowed(ask(one, 12, "PATCH", "/users/me")) == 10
    one._store._resume_at = time.monotonic()
    assert allowed(ask(one, 12, "PATCH", "/users/me")) == 10


def test_a_store_of_an_unknown_kind_is_a_validation_error() -> None:
    with pytest.raises(ValidationError, match="redis"):
        limiter(store="carrier-pigeon://roof")
