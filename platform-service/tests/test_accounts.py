"""Accounts: what users change of their own, and how they leave."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from conftest import PASSWORD, User, Write, delete, sign_in
from refreshing import refresh, tokens_of

from chassis_testing import hostile
from chassis_testing.fixtures import Sql
from chassis_testing.hostile import short
from chassis_testing.problem import CANARY, assert_problem, assert_refused

NEW = "battery staple"


def change(
    client: httpx.Client, user: User, current: str = PASSWORD, **changes: object
) -> httpx.Response:
    body = {"current_password": current, **changes}
    return client.patch("/users/me", json=body, headers=user.headers)


def stored(sql: Sql) -> list[Any]:
    return [*sql("SELECT id, email, hashed_password FROM users ORDER BY id")]


def test_a_new_password_takes_the_place_of_the_last_one(client: httpx.Client, ann: User) -> None:
    before = client.get("/users/me", headers=ann.headers).json()
    answer = change(client, ann, password=NEW)
    assert (answer.status_code, answer.json()) == (200, before)
    assert sign_in(client, ann.email, NEW).status_code == 200
    assert sign_in(client, ann.email).status_code == 401


def test_a_new_email_signs_in_and_the_last_one_is_free(client: httpx.Client, ann: User) -> None:
    answer = change(client, ann, email="STRASSE@example.com")
    assert (answer.status_code, answer.json()["email"]) == (200, "STRASSE@example.com")
    assert sign_in(client, "straße@example.com").status_code == 200
    assert sign_in(client, ann.email).status_code == 401
    body = {"email": "straße@example.com", "password": PASSWORD}
    assert_problem(client.post("/users/", json=body), 409)
    assert client.post("/users/", json=body | {"email": ann.email}).status_code == 201


def test_email_and_password_change_together_or_not_at_all(
    client: httpx.Client, ann: User, bob: User, sql: Sql
) -> None:
    before = stored(sql)
    refused = assert_problem(change(client, ann, email=bob.email, password=NEW), 409)
    assert refused["detail"] == "Another user has this e-mail."
    assert stored(sql) == before
    assert change(client, ann, email="eve@example.com", password=NEW).status_code == 200
    assert sign_in(client, "eve@example.com", NEW).status_code == 200


@pytest.mark.parametrize("email", ["bob@example.com", "BOB@Example.com"])
def test_an_email_of_another_user_is_refused(
    client: httpx.Client, ann: User, bob: User, email: str
) -> None:
    answer = change(client, ann, email=email)
    assert assert_problem(answer, 409)["detail"] == "Another user has this e-mail."
    assert client.get("/users/me", headers=ann.headers).json()["email"] == ann.email
    assert sign_in(client, bob.email).status_code == 200


@pytest.mark.parametrize("email", ["ann@example.com", "ANN@example.com"])
def test_an_email_may_change_its_letter_case(client: httpx.Client, ann: User, email: str) -> None:
    assert change(client, ann, email=email).json()["email"] == email
    assert sign_in(client, ann.email).status_code == 200


def test_a_wrong_current_password_changes_nothing(
    client: httpx.Client, ann: User, write_article: Write, sql: Sql
) -> None:
    article, before = write_article(ann), stored(sql)
    answers = [
        change(client, ann, CANARY, password=NEW),
        change(client, ann, "x", email="eve@example.com"),
        delete(client, ann, CANARY),
    ]
    for answer in answers:
        assert assert_problem(answer, 403)["detail"] == "The current password is wrong."
    assert stored(sql) == before
    assert client.get("/articles/", headers=ann.headers).json() == [article]


def test_a_wrong_current_password_does_not_tell_whether_an_email_is_taken(
    client: httpx.Client, ann: User, bob: User
) -> None:
    assert_problem(change(client, ann, "wrong password", email=bob.email), 403)


def test_wrong_current_passwords_and_failed_sign_ins_count_together(
    client: httpx.Client, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform_service.throttle.FREE_FAILURES", 3)
    monkeypatch.setattr("platform_service.throttle.FIRST_WAIT", 600)  # longer than this test takes
    assert_problem(change(client, ann, "wrong password", password=NEW), 403)
    assert_problem(delete(client, ann, "wrong password"), 403)
    assert sign_in(client, ann.email, "wrong password").status_code == 401
    answers = [change(client, ann, password=NEW), delete(client, ann), sign_in(client, ann.email)]
    for answer in answers:
        assert assert_problem(answer, 429)["detail"].startswith("There were too many wrong")
        assert 1 <= int(answer.headers["Retry-After"]) <= 600


def test_many_guesses_at_once_are_no_way_around_the_wait(
    client: httpx.Client, ann: User, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform_service.throttle.FREE_FAILURES", 2)
    with ThreadPoolExecutor(10) as pool:
        answers = pool.map(
            lambda number: change(client, ann, f"guess {number}", password=NEW), range(10)
        )
        statuses = Counter(answer.status_code for answer in answers)
    assert statuses.keys() == {403, 429}
    ((failures,),) = sql("SELECT max(failures) FROM sign_in_networks")
    assert failures == statuses[403]


def session(client: httpx.Client, user: User) -> Callable[[], int]:
    """Begin a session of the user, and return a function that refreshes it."""
    token = tokens_of(client, user)["refresh_token"]
    return lambda: refresh(client, token).status_code


def test_a_new_password_ends_every_session_and_a_new_email_none(
    client: httpx.Client, ann: User, bob: User
) -> None:
    first, second, other = session(client, ann), session(client, ann), session(client, bob)
    assert change(client, ann, email="eve@example.com").status_code == 200
    assert (first(), second(), other()) == (200, 200, 200)
    assert change(client, ann, password=NEW).status_code == 200
    assert (first(), second(), other()) == (400, 400, 200)


def test_a_deletion_ends_every_session(client: httpx.Client, ann: User, bob: User) -> None:
    first, other = session(client, ann), session(client, bob)
    assert delete(client, ann).status_code == 204
    assert (first(), other()) == (400, 200)


def test_no_session_outlives_a_new_password_that_it_races_with(
    client: httpx.Client, ann: User, sql: Sql
) -> None:
    sessions = [session(client, ann) for _ in range(3)]

    def sign_in_or_refresh(number: int) -> int:
        if number % 2:
            return sessions[number % 3]()
        return sign_in(client, ann.email).status_code

    with ThreadPoolExecutor(9) as pool:
        racing = pool.map(sign_in_or_refresh, range(60))
        assert change(client, ann, password=NEW).status_code == 200
        assert set(racing) <= {200, 400, 401, 429}
    assert sql("SELECT count(*) FROM refresh_tokens")[0] == (0,)


def test_of_many_users_who_want_one_email_at_once_one_gets_it(
    client: httpx.Client, new_user: Callable[[str], User]
) -> None:
    users = [new_user(f"user{number}") for number in range(10)]
    emails = ["eve@example.com", "EVE@example.com"] * 5
    with ThreadPoolExecutor(10) as pool:
        answers = pool.map(lambda user, email: change(client, user, email=email), users, emails)
        statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {200: 1, 409: 9}


def test_of_many_new_passwords_at_once_the_first_one_holds(client: httpx.Client, ann: User) -> None:
    new = [f"{NEW} {number}" for number in range(10)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda password: change(client, ann, password=password), new))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 403: 9}
    first = next(it for it, answer in zip(new, answers, strict=True) if answer.is_success)
    assert sign_in(client, ann.email, first).status_code == 200


FIELDS = {"current_password": f'"{PASSWORD}"', "email": '"eve@example.com"'}
VALUES: list[tuple[str, str]] = [
    *(("current_password", value) for value in hostile.NO_TEXTS),
    *(("current_password", f'"{"é" * length}"') for length in (0, 129, 5000, 10**6)),
    *(("email", value) for value in hostile.NO_TEXTS),
    *(("email", f'"{value}"') for value in ("", "x", "A <a@example.com>", CANARY)),
    *(("password", value) for value in hostile.NO_TEXTS),
    *(("password", f'"{"é" * length}"') for length in (0, 7, 129, 5000)),
    *((field, '"x"') for field in ("id", "is_active", "hashed_password", "email_key", "Email")),
]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_field_of_a_wrong_kind_is_refused_and_changes_nothing(
    client: httpx.Client, ann: User, sql: Sql, method: str, subtests: pytest.Subtests
) -> None:
    before = stored(sql)
    fields = FIELDS if method == "PATCH" else {"current_password": FIELDS["current_password"]}
    for field, value in VALUES:
        with subtests.test(f"{field}: {short(value)}"):
            body = ", ".join(
                f'"{name}": {text}' for name, text in (fields | {field: value}).items()
            )
            headers = hostile.JSON | ann.headers
            answer = client.request(method, "/users/me", content=f"{{{body}}}", headers=headers)
            assert_refused(answer, "body", field)
            assert CANARY not in answer.text
    assert stored(sql) == before


@pytest.mark.parametrize("body", [{}, {"email": "eve@example.com"}, {"password": NEW}])
def test_a_change_needs_the_current_password(
    client: httpx.Client, ann: User, body: dict[str, str]
) -> None:
    answer = client.patch("/users/me", json=body, headers=ann.headers)
    assert_refused(answer, "body", "current_password")


def test_a_change_of_nothing_is_refused(client: httpx.Client, ann: User) -> None:
    answer = change(client, ann)
    assert_refused(answer, "body")
    [error] = answer.json()["errors"]
    assert error["msg"] == "Input should have email or password"


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_nobody_without_a_token_has_an_account(client: httpx.Client, method: str) -> None:
    body = {"current_password": PASSWORD, "password": NEW}
    assert_problem(client.request(method, "/users/me", json=body), 401)


def test_an_inactive_user_changes_nothing(client: httpx.Client, ann: User, sql: Sql) -> None:
    sql("UPDATE users SET is_active = false")
    assert_problem(change(client, ann, password=NEW), 401)
    assert_problem(delete(client, ann), 401)
    assert len(stored(sql)) == 1
