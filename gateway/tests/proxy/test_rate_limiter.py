"""The limiter: rules, windows and clients, without a socket."""

from collections.abc import Coroutine
from typing import Any

import pytest
from support.limiter import Answer, allowed, ask, check, fields, limiter, seconds_to_wait

from gateway.problems import Problem
from gateway.proxy import rate_limit_stores
from gateway.routes import RateLimitRule


class Clock:
    """The time of the windows, which passes only as told."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(rate_limit_stores, "time", stopped)
    return stopped


@pytest.mark.parametrize(
    ("method", "path", "quota"),
    [
        ("POST", "/auth/token", 10),
        ("POST", "/auth/revoke", 20),
        ("POST", "/users/", 20),
        ("PATCH", "/users/me", 10),
        ("DELETE", "/users/me", 10),
        ("GET", "/articles/", 6000),
    ],
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
    one = limiter(
        RateLimitRule(path="/posts", limit="3/minute"), RateLimitRule(path="*", limit="100/minute")
    )
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
    monkeypatch.setattr(rate_limit_stores, "MAX_WINDOWS", 100)
    one = limiter()
    for number in range(1000):
        ask(one, 1, "GET", "/", f"10.0.{number >> 8}.{number & 255}")
    assert isinstance(one._store, rate_limit_stores.MemoryStore)
    assert len(one._store._windows) == 100


def test_counting_in_memory_does_not_suspend() -> None:
    counting: Coroutine[Any, Any, Answer] = check(limiter(), "GET", "/")
    with pytest.raises(StopIteration):
        counting.send(None)
