"""Rate limits: RFC 6585, section 4."""

import asyncio
import logging
import socket
import time
from collections.abc import Coroutine
from math import inf
from typing import Any

import pytest
from pydantic import ValidationError
from support.gateway import Pair, Start
from support.upstream import RawUpstream
from support.waiting import PATIENCE

from gateway.config import Settings
from gateway.http1 import Headers
from gateway.problems import Problem
from gateway.proxy import rate_limits
from gateway.proxy.rate_limits import RateLimiter
from gateway.routes import RateLimitRule, load_routes

SHIPPED = load_routes(Settings().routes_file).rate_limits
WIDE = RateLimitRule(path="*", limit="100/minute")


class Clock:
    """The time of the windows, which passes only as told."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(rate_limits, "time", stopped)
    return stopped


def limiter(*rules: RateLimitRule, store: str = "memory://") -> RateLimiter:
    return RateLimiter(Settings(rate_limit_store=store), rules or SHIPPED)


Answer = Headers | Problem


async def check(one: RateLimiter, method: str, path: str, client: str = "192.0.2.1") -> Answer:
    try:
        return await one.check(method, path, client)
    except Problem as refusal:
        return refusal


def ask(
    one: RateLimiter, times: int, method: str, path: str, client: str = "192.0.2.1"
) -> list[Answer]:
    async def story() -> list[Answer]:
        answers = [await check(one, method, path, client) for _ in range(times)]
        await one.close()
        return answers

    return asyncio.run(story())


def allowed(answers: list[Answer]) -> int:
    return sum(isinstance(answer, list) for answer in answers)


def fields(answer: Answer) -> Headers:
    return list(answer.headers) if isinstance(answer, Problem) else answer


def seconds_to_wait(answer: Answer) -> int:
    return int(dict(fields(answer))[b"retry-after"])


@pytest.mark.parametrize(
    ("method", "path", "quota"),
    [("POST", "/auth/token", 10), ("POST", "/users/", 20), ("GET", "/articles/", 6000)],
)
@pytest.mark.usefixtures("clock")
def test_a_client_is_refused_after_its_quota(method: str, path: str, quota: int) -> None:
    assert allowed(ask(limiter(), quota + 5, method, path)) == quota


@pytest.mark.usefixtures("clock")
def test_a_refusal_says_when_to_come_back() -> None:
    one = limiter()
    *_, last, refusal = ask(one, 11, "POST", "/auth/token")
    remaining = [
        (b"ratelimit-policy", b'"POST /auth/token";q=10;w=60'),
        (b"ratelimit", b'"POST /auth/token";r=0;t=60'),
    ]
    assert last == remaining
    assert isinstance(refusal, Problem)
    assert refusal.status == 429
    assert fields(refusal) == [*remaining, (b"retry-after", b"60")]


@pytest.mark.usefixtures("clock")
def test_what_remains_is_counted_down_on_every_route() -> None:
    first, second = ask(limiter(), 2, "GET", "/posts/1")
    assert fields(first)[1] == (b"ratelimit", b'"*";r=5999;t=60')
    assert fields(second)[1] == (b"ratelimit", b'"*";r=5998;t=60')


def test_all_spellings_of_a_path_count_together() -> None:
    one = limiter()
    spellings = ("/auth/token", "/auth/token/", "/auth/%74oken", "/%61uth/token//")
    assert [allowed(ask(one, 3, "POST", spelling)) for spelling in spellings] == [3, 3, 3, 1]


def test_spellings_with_a_slash_share_the_quota_of_users() -> None:
    one = limiter()
    assert allowed(ask(one, 12, "POST", "/users")) == 12
    assert allowed(ask(one, 12, "POST", "/users/")) == 8


def test_other_methods_and_clients_are_counted_separately() -> None:
    one = limiter()
    ask(one, 11, "POST", "/auth/token")
    assert allowed(ask(one, 1, "GET", "/auth/token")) == 1
    assert allowed(ask(one, 1, "POST", "/auth/token", client="192.0.2.2")) == 1


def test_a_rule_without_a_method_counts_all_of_them() -> None:
    one = limiter(RateLimitRule(path="/posts", limit="3/minute"), WIDE)
    assert allowed(ask(one, 2, "GET", "/posts/")) == 2
    assert allowed(ask(one, 2, "POST", "/posts")) == 1


def test_a_path_without_a_rule_is_not_limited_when_there_is_none_for_the_rest() -> None:
    one = limiter(RateLimitRule(path="/posts", limit="1/minute"))
    assert ask(one, 3, "GET", "/users")[-1] == []


@pytest.mark.parametrize(
    ("clients", "quota"),
    [
        (["2001:db8::1", "2001:db8::ffff:0:1", "2001:db8:0:0:ffff::"], 3),
        (["2001:db8::1", "2001:db8:0:1::1"], 6),
        (["192.0.2.9", "::ffff:192.0.2.9"], 3),
        (["fe80::1%eth0", "fe80::2"], 3),
        (["not:an:address", "not:an:address"], 3),
    ],
)
def test_an_ipv6_client_counts_by_its_network(clients: list[str], quota: int) -> None:
    one = limiter(RateLimitRule(path="*", limit="3/minute"))
    assert sum(allowed(ask(one, 9, "GET", "/", client)) for client in clients) == quota


def test_a_new_window_begins_when_the_old_one_ends(clock: Clock) -> None:
    one = limiter(RateLimitRule(path="*", limit="2/minute"))
    assert allowed(ask(one, 3, "GET", "/")) == 2
    clock.now += 59.5
    (refusal,) = ask(one, 1, "GET", "/")
    assert seconds_to_wait(refusal) == 1
    clock.now += 0.5
    assert allowed(ask(one, 3, "GET", "/")) == 2


def test_a_flood_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MAX_WINDOWS", 100)
    one = limiter()
    for number in range(1000):
        ask(one, 1, "GET", "/", f"10.0.{number >> 8}.{number & 255}")
    assert isinstance(one._store, rate_limits.MemoryStore)
    assert len(one._store._windows) == 100


def test_counting_in_memory_does_not_suspend() -> None:
    counting: Coroutine[Any, Any, Answer] = check(limiter(), "GET", "/")
    with pytest.raises(StopIteration):
        counting.send(None)


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
    caplog: pytest.LogCaptureFixture,
) -> None:
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


def test_a_limit_that_cannot_be_parsed_is_a_validation_error() -> None:
    with pytest.raises(ValidationError):
        RateLimitRule(path="*", limit="a few")


def test_an_upstreams_rate_limit_fields_are_removed(pair: Pair) -> None:
    gateway, raw = pair
    raw.reply = (
        b"HTTP/1.1 200 OK\r\nRateLimit: x\r\nRateLimit-Policy: y\r\nContent-Length: 0\r\n\r\n"
    )
    answer = gateway.get("/posts")
    assert answer.all(b"ratelimit") == answer.all(b"ratelimit-policy") == []


def test_too_many_requests_are_429(gateway: Start, upstream: RawUpstream) -> None:
    """RFC 6585, section 4."""
    running = gateway(upstream.url, rate_limit="on")
    forged = [b"X-Forwarded-For: 10.0.0.%d" % index for index in range(11)]
    answers = [running.get("/auth/token", field, method="POST") for field in forged]
    assert [answer.status for answer in answers] == [200] * 10 + [429]
    assert int(answers[-1].all(b"retry-after")[0]) > 0
    assert answers[0].all(b"ratelimit")
    assert running.get("/posts").status == 200
    assert running.metric("gateway_limited_total", route="/auth") == 1
    assert running.metric("gateway_limited_total", route="/posts") is None


@pytest.mark.parametrize("spelling", ["/auth/token%0A", "/auth/token%00", "/auth/token%0D%0A"])
def test_no_spelling_of_a_path_gets_around_its_limit(
    gateway: Start, upstream: RawUpstream, spelling: str
) -> None:
    running = gateway(upstream.url, rate_limit="on")
    assert running.get(spelling, method="POST").status == 400
    assert upstream.requests == []


def test_clients_behind_a_trusted_proxy_are_counted_separately(
    gateway: Start, upstream: RawUpstream
) -> None:
    running = gateway(upstream.url, rate_limit="on", trusted_proxies="127.0.0.1")

    def statuses(forwarded: bytes) -> list[int]:
        field = b"X-Forwarded-For: " + forwarded
        return [running.get("/auth/token", field, method="POST").status for _ in range(11)]

    assert statuses(b"192.0.2.1") == [200] * 10 + [429]
    assert statuses(b"6.6.6.6, 192.0.2.1") == [429] * 11  # only the last is the proxy's word
    assert statuses(b"192.0.2.2") == [200] * 10 + [429]
