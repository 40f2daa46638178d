"""Idempotency-Key: whose keys they are, and what is kept of a sign-up."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from conftest import PASSWORD, User
from sqlalchemy import Row

from chassis_testing.fixtures import Server, Sql
from chassis_testing.problem import assert_problem, assert_refused
from platform_service.passwords import verify_password

REPLAYED = "Idempotent-Replayed"
ARTICLE = {"title": "T", "content": "C"}
SIGN_UP = {"email": "Ann@example.com", "password": PASSWORD}


def write(client: httpx.Client, user: User, **fields: str) -> httpx.Response:
    headers = {**user.headers, "Idempotency-Key": "k"}
    return client.post("/articles/", json=ARTICLE | fields, headers=headers)


def sign_up(client: httpx.Client, **fields: str) -> httpx.Response:
    return client.post("/users/", json=SIGN_UP | fields, headers={"Idempotency-Key": "k"})


def assert_same(answers: list[httpx.Response]) -> None:
    """Check that one answer is the first, and the others are that one again."""
    kept = {(one.status_code, one.content, one.headers["Location"]) for one in answers}
    assert len(kept) == 1
    assert answers[0].status_code == 201
    assert sum(REPLAYED not in one.headers for one in answers) == 1


def test_each_caller_has_keys_of_their_own(
    client: httpx.Client, sql: Sql, ann: User, bob: User
) -> None:
    assert_same([write(client, ann), write(client, ann)])
    assert_same([write(client, bob, title="B"), write(client, bob, title="B")])
    assert_refused(write(client, bob), "header", "Idempotency-Key")
    assert [row.owner_id for row in sql("SELECT owner_id FROM articles")] == [ann.id, bob.id]


@pytest.mark.parametrize("change", ["UPDATE users SET is_active = false", "DELETE FROM users"])
def test_a_caller_who_may_do_nothing_any_more_gets_no_first_answer(
    client: httpx.Client, sql: Sql, ann: User, change: str
) -> None:
    assert write(client, ann).status_code == 201
    sql("DELETE FROM articles")
    sql(change)
    assert_problem(write(client, ann), 401)
    assert_problem(write(client, ann, title="Another"), 401)


def test_nothing_of_a_deleted_account_is_kept(
    client: httpx.Client, server: Server, sql: Sql, ann: User
) -> None:
    signed_up = sign_up(client, email="eve@example.com")
    token = server[0].state.keys.sign(signed_up.json()["id"])
    headers = {"Authorization": f"Bearer {token}"}
    eve = User(signed_up.json()["id"], "eve@example.com", headers)
    for user in (ann, eve):
        assert write(client, user).status_code == 201
    body = {"current_password": PASSWORD}
    assert client.request("DELETE", "/users/me", json=body, headers=headers).status_code == 204
    assert [row.caller_id for row in sql("SELECT caller_id FROM idempotency_keys")] == [ann.id]


def test_the_same_sign_up_makes_one_user(client: httpx.Client, sql: Sql) -> None:
    assert_same([sign_up(client), sign_up(client), sign_up(client)])
    assert len(sql("SELECT id FROM users")) == 1


def test_a_sign_up_with_a_key_is_refused_without_its_whole_body(
    client: httpx.Client, sql: Sql
) -> None:
    assert sign_up(client).status_code == 201
    for other in ({"password": "wrong horse"}, {"email": "bob@example.com"}):
        answer = sign_up(client, **other)
        assert_refused(answer, "header", "Idempotency-Key")
        assert "Location" not in answer.headers
    assert len(sql("SELECT id FROM users")) == 1


def test_guesses_of_a_password_by_a_key_have_to_wait(client: httpx.Client, sql: Sql) -> None:
    assert_same([sign_up(client), sign_up(client)])
    assert_refused(sign_up(client, password="wrong horse"), "header", "Idempotency-Key")
    sql("UPDATE sign_in_networks SET failures = 30 WHERE failures = 1")
    for password in ("another horse", PASSWORD):
        assert_problem(sign_up(client, password=password), 429)


def test_many_guesses_by_a_key_at_once_are_no_way_around_the_wait(
    client: httpx.Client, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sign_up(client).status_code == 201
    assert_refused(sign_up(client, password="wrong horse"), "header", "Idempotency-Key")

    async def verify(password: str, hashed_password: str | None) -> bool:
        matches = await verify_password(password, hashed_password)
        sql("UPDATE sign_in_networks SET failures = 30 WHERE failures = 1")
        return matches

    monkeypatch.setattr("platform_service.routers.users.verify_password", verify)
    assert_problem(sign_up(client), 429)


def test_only_a_slow_hash_of_a_password_is_kept(client: httpx.Client, sql: Sql) -> None:
    rows: list[Row[Any]] = []
    for password in (PASSWORD, "another horse"):
        assert sign_up(client, password=password).status_code == 201
        rows += sql("SELECT * FROM idempotency_keys")
        sql("DELETE FROM idempotency_keys")
        sql("DELETE FROM users")
    assert rows[0].fingerprint == rows[1].fingerprint
    assert all(row.secret.startswith("$argon2id$") for row in rows)
    assert PASSWORD not in str(rows)


def test_a_sign_up_that_was_refused_keeps_nothing(client: httpx.Client, sql: Sql) -> None:
    taken = client.post("/users/", json=SIGN_UP)
    assert_problem(sign_up(client), 409)
    sql(f"DELETE FROM users WHERE id = {taken.json()['id']}")
    assert_same([sign_up(client), sign_up(client)])


def test_thirty_sign_ups_at_once_make_one_user(client: httpx.Client, sql: Sql) -> None:
    with ThreadPoolExecutor(30) as pool:
        assert_same(list(pool.map(lambda _: sign_up(client), range(30))))
    assert len(sql("SELECT id FROM users")) == 1


def test_fifty_articles_at_once_are_one(client: httpx.Client, sql: Sql, ann: User) -> None:
    with ThreadPoolExecutor(50) as pool:
        assert_same(list(pool.map(lambda _: write(client, ann), range(50))))
    assert len(sql("SELECT id FROM articles")) == 1
