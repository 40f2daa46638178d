"""Wrong passwords wait longer and longer, and hinder nobody who is known."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import ceil
from typing import Any

import httpx
import pytest
from conftest import PASSWORD, User, sign_in

from chassis_testing.fixtures import Sql
from chassis_testing.problem import assert_problem
from platform_service import passwords, throttle
from platform_service.database import WRITERS

HOME, ELSEWHERE, STRANGER = "192.0.2.1", "192.0.2.2", "203.0.113.7"
EMAIL = "ann@example.com"
KILO = 1000
WAITS = (throttle.FREE_FAILURES, throttle.FREE_FAILURES_OF_STRANGERS, throttle.FIRST_WAIT)


def sign_in_from(
    client: httpx.Client, network: str, password: str = "wrong", email: str = EMAIL
) -> httpx.Response:
    """Try a password from a network. The server believes what comes from this machine."""
    return sign_in(client, email, password, headers={"X-Forwarded-For": network})


def fail(client: httpx.Client, times: int, network: str = STRANGER, email: str = EMAIL) -> None:
    for _ in range(times):
        answer = sign_in_from(client, network, email=email)
        assert answer.status_code == 401, answer.text


def seconds_of(answer: httpx.Response) -> int:
    problem = assert_problem(answer, 429)
    assert problem["detail"] == "There were too many wrong passwords; try again later."
    return ceil(int(answer.headers["Retry-After"]) / KILO)


@pytest.fixture
def pass_time(sql: Sql, engine: str) -> Callable[[float], None]:
    """Moves every failure into the past."""
    earlier = (
        "{} - interval '{} seconds'"
        if engine == "postgresql"
        else "strftime('%Y-%m-%d %H:%M:%f', {}, '-{} seconds')"
    )

    def move(seconds: float) -> None:
        times = ("failed_at", "expires_at")
        changes = [f"{name} = {earlier.format(name, KILO * seconds)}" for name in times]
        sql(f"UPDATE sign_in_networks SET {', '.join(changes)}")

    return move


PassTime = Callable[[float], None]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer failures are free, since each of them costs a hash; and time goes slower.

    A second is KILO seconds, so that no wait ends while a slow machine looks.
    """
    monkeypatch.setattr(throttle, "FREE_FAILURES", 2)
    monkeypatch.setattr(throttle, "FREE_FAILURES_OF_STRANGERS", 4)
    monkeypatch.setattr(throttle, "FIRST_WAIT", KILO * throttle.FIRST_WAIT)
    monkeypatch.setattr(throttle, "LONGEST_WAIT", KILO * throttle.LONGEST_WAIT)
    monkeypatch.setattr(throttle, "FORGOTTEN_AFTER", KILO * throttle.FORGOTTEN_AFTER)


def test_the_first_failures_are_free() -> None:
    assert WAITS == (10, 20, 1), "as docs/configuration.md says"


@pytest.mark.usefixtures("ann")
def test_failures_wait_twice_as_long_each_time_up_to_a_quarter_of_an_hour(
    client: httpx.Client, pass_time: PassTime
) -> None:
    fail(client, 2)
    waits = []
    for _ in range(12):
        waits.append(seconds_of(sign_in_from(client, STRANGER)))
        pass_time(waits[-1])
        fail(client, 1)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


@pytest.mark.usefixtures("ann")
def test_the_right_password_waits_too_and_then_ends_the_count(
    client: httpx.Client, pass_time: PassTime
) -> None:
    fail(client, 2)
    assert seconds_of(sign_in_from(client, STRANGER, PASSWORD)) == 1
    pass_time(1)
    assert sign_in_from(client, STRANGER, PASSWORD).status_code == 200
    fail(client, 2)


def test_failures_for_an_email_that_nobody_has_are_counted_too(
    client: httpx.Client, ann: User, pass_time: PassTime
) -> None:
    for email in (ann.email, "eve@example.com", "\u0130 <x>"):
        fail(client, 2, email=email)
    answers = [sign_in_from(client, STRANGER, email=it) for it in (ann.email, "eve@example.com")]
    assert [seconds_of(answer) for answer in answers] == [1, 1]
    pass_time(1)
    fail(client, 1, email="EVE@example.com")
    assert seconds_of(sign_in_from(client, STRANGER, email="eve@example.com")) == 2


def test_a_wait_computes_no_hash(
    client: httpx.Client, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(client, 2)
    fail(client, 2, email="eve@example.com")

    def verify(*_: object, **__: object) -> bool:
        pytest.fail("a hash was computed")

    monkeypatch.setattr(passwords._context, "verify", verify)
    for email in (ann.email, "eve@example.com"):
        assert seconds_of(sign_in_from(client, STRANGER, email=email))


def test_strangers_count_together_and_hinder_nobody_where_they_have_signed_in(
    client: httpx.Client, ann: User, bob: User
) -> None:
    assert sign_in_from(client, HOME, PASSWORD).status_code == 200
    for number in range(4):
        fail(client, 1, f"203.0.113.{number}")
    assert seconds_of(sign_in_from(client, "203.0.113.200", PASSWORD)) == 1
    assert seconds_of(sign_in_from(client, ELSEWHERE, PASSWORD, ann.email)) == 1
    fail(client, 1, HOME)
    assert sign_in_from(client, HOME, PASSWORD).status_code == 200
    assert sign_in_from(client, ELSEWHERE, PASSWORD, bob.email).status_code == 200


def rename(client: httpx.Client, user: User, network: str, current: str) -> httpx.Response:
    """Try to change the e-mail of a user to what it is."""
    headers = {**user.headers, "X-Forwarded-For": network}
    body = {"current_password": current, "email": user.email}
    return client.patch("/users/me", json=body, headers=headers)


def test_strangers_hinder_nobody_who_is_signed_in_from_changing_a_password(
    client: httpx.Client, ann: User
) -> None:
    for number in range(4):
        fail(client, 1, f"203.0.113.{number}")
    assert seconds_of(sign_in_from(client, ELSEWHERE, PASSWORD)) == 1
    assert rename(client, ann, ELSEWHERE, PASSWORD).status_code == 200


def test_whoever_has_a_token_has_to_wait_for_guesses_from_many_networks_too(
    client: httpx.Client, ann: User
) -> None:
    for number in range(4):
        assert_problem(rename(client, ann, f"203.0.113.{number}", "wrong"), 403)
    assert seconds_of(rename(client, ann, "203.0.113.200", PASSWORD)) == 1
    assert sign_in_from(client, ELSEWHERE, PASSWORD).status_code == 200


def test_a_known_network_counts_for_itself(
    client: httpx.Client, ann: User, pass_time: PassTime
) -> None:
    assert sign_in_from(client, HOME, PASSWORD).status_code == 200
    fail(client, 2, HOME)
    for seconds in (1, 2):
        assert seconds_of(sign_in_from(client, HOME, PASSWORD)) == seconds
        pass_time(seconds)
        fail(client, 1, HOME)
    assert sign_in_from(client, ELSEWHERE, PASSWORD, ann.email).status_code == 200


def test_where_somebody_signed_up_they_are_known(client: httpx.Client) -> None:
    user = {"email": EMAIL, "password": PASSWORD}
    answer = client.post("/users/", json=user, headers={"X-Forwarded-For": HOME})
    assert answer.status_code == 201
    for number in range(4):
        fail(client, 1, f"203.0.113.{number}")
    assert sign_in_from(client, HOME, PASSWORD).status_code == 200


@pytest.mark.usefixtures("ann")
def test_a_session_goes_on_while_passwords_wait(client: httpx.Client) -> None:
    token = sign_in_from(client, STRANGER, PASSWORD).json()["refresh_token"]
    fail(client, 2)
    form = {"grant_type": "refresh_token", "refresh_token": token}
    refreshed = client.post("/auth/token", data=form, headers={"X-Forwarded-For": STRANGER})
    assert refreshed.status_code == 200


@pytest.mark.usefixtures("ann")
def test_the_addresses_of_one_ipv6_network_count_as_one(client: httpx.Client) -> None:
    for number in range(2):
        fail(client, 1, f"2001:db8::{number}")
    assert seconds_of(sign_in_from(client, "2001:db8::ffff", PASSWORD))
    assert sign_in_from(client, "2001:db8:0:1::1", PASSWORD).status_code == 200


@pytest.mark.usefixtures("ann")
def test_failures_are_forgotten_after_six_hours(
    client: httpx.Client, pass_time: PassTime, sql: Sql
) -> None:
    fail(client, 2)
    pass_time(6 * 3600 + 1)
    fail(client, 2)
    assert seconds_of(sign_in_from(client, STRANGER)) == 1
    pass_time(6 * 3600 + 1)
    fail(client, 1, HOME, "eve@example.com")
    assert len(sql("SELECT 1 FROM sign_in_networks")) == 2, "those of Eve"


@pytest.mark.usefixtures("ann")
def test_of_many_guesses_at_once_no_more_are_answered_than_one_after_the_other(
    client: httpx.Client,
) -> None:
    guesses = [partial(sign_in_from, client, STRANGER)] * 20 + [
        partial(sign_in_from, client, STRANGER, PASSWORD)
    ]
    with ThreadPoolExecutor(len(guesses)) as pool:
        answers = [future.result() for future in [pool.submit(guess) for guess in guesses]]
    counts: Counter[Any] = Counter(answer.status_code for answer in answers)
    assert set(counts) <= {200, 401, 429}
    # One that succeeds ends the count, once.
    assert 2 <= counts[401] <= 2 * (2 + WRITERS - 1)
