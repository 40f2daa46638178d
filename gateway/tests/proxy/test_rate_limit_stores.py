"""Rate limits in a store that several gateways share, and a store that does not answer."""

import asyncio
import logging
import socket
import time
from math import inf

import pytest
from pydantic import ValidationError
from support.limiter import Answer, allowed, ask, check, limiter, seconds_to_wait
from support.waiting import PATIENCE

from gateway.proxy import rate_limits
from gateway.proxy.rate_limits import RateLimiter


@pytest.fixture(autouse=True)
def _patient_with_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a store on a slow machine, and pause for longer than the test after a failure."""
    monkeypatch.setattr(rate_limits, "STORE_TIMEOUT", PATIENCE)
    monkeypatch.setattr(rate_limits, "STORE_PAUSE", 600.0)


def test_gateways_with_a_shared_store_count_together(valkey_url: str) -> None:
    one, other = limiter(store=valkey_url), limiter(store=valkey_url)
    assert allowed(ask(one, 7, "POST", "/auth/token")) == 7
    answers = ask(other, 7, "POST", "/auth/token")
    assert allowed(answers) == 3
    assert 0 < seconds_to_wait(answers[-1]) <= 60
    assert allowed(ask(other, 1, "POST", "/auth/token", client="192.0.2.2")) == 1


@pytest.mark.parametrize("store", ["redis://127.0.0.1:9/0", "unix:///nowhere/valkey.sock"])
def test_an_unreachable_store_lets_requests_pass_and_is_logged(
    caplog: pytest.LogCaptureFixture, store: str
) -> None:
    with caplog.at_level(logging.WARNING):
        answers = ask(limiter(store=store), 30, "POST", "/auth/token")
    assert answers == [[]] * 30
    assert [record.name for record in caplog.records] == ["gateway.proxy.rate_limits"]


def test_a_silent_store_lets_requests_pass_and_is_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "STORE_TIMEOUT", 0.25)

    async def story(one: RateLimiter) -> list[Answer]:
        checks = (check(one, "POST", "/auth/token") for _ in range(30))
        async with asyncio.timeout(PATIENCE):
            answers = await asyncio.gather(*checks)
        await one.close()
        return [*answers, await check(one, "GET", "/")]

    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = limiter(store=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        assert asyncio.run(story(one)) == [[]] * 31
    assert len(caplog.records) == 1


def test_a_store_is_asked_again_after_a_pause(valkey_url: str) -> None:
    one = limiter(store=valkey_url)
    assert isinstance(one._store, rate_limits.SharedStore)
    one._store._resume_at = inf
    assert ask(one, 12, "POST", "/auth/token") == [[]] * 12
    one._store._resume_at = time.monotonic()
    assert allowed(ask(one, 12, "POST", "/auth/token")) == 10


def test_a_store_of_an_unknown_kind_is_a_validation_error() -> None:
    with pytest.raises(ValidationError, match="redis"):
        limiter(store="carrier-pigeon://roof")
