"""Idempotency-Key: without callers, all keys are of one caller; with them, each has their own."""

from concurrent.futures import ThreadPoolExecutor

import httpx

from chassis_testing.fixtures import Sql
from chassis_testing.keys import SigningKey
from chassis_testing.problem import assert_problem, assert_refused

REPLAYED = "Idempotent-Replayed"


def write(
    client: httpx.Client, title: str = "T", headers: dict[str, str] | None = None
) -> httpx.Response:
    sent = {**(headers or {}), "Idempotency-Key": "k"}
    return client.post("/posts/", json={"title": title}, headers=sent)


def assert_same(answers: list[httpx.Response]) -> None:
    """Check that one answer is the first, and the others are that one again."""
    kept = {(one.status_code, one.content, one.headers["Location"]) for one in answers}
    assert len(kept) == 1
    assert answers[0].status_code == 201
    assert sum(REPLAYED not in one.headers for one in answers) == 1


def test_fifty_posts_at_once_are_one(client: httpx.Client, sql: Sql) -> None:
    with ThreadPoolExecutor(50) as pool:
        assert_same(list(pool.map(lambda _: write(client), range(50))))
    assert len(sql("SELECT id FROM posts")) == 1
    assert_refused(write(client, "Another"), "header", "Idempotency-Key")


def test_each_caller_has_keys_of_their_own(client: httpx.Client, sql: Sql, key: SigningKey) -> None:
    for caller_id in (1, 2):
        headers = key.bearer(caller_id)
        assert_same([write(client, f"T{caller_id}", headers) for _ in range(3)])
    assert_problem(write(client, "T1"), 401)
    assert [row.author_id for row in sql("SELECT author_id FROM posts ORDER BY id")] == [1, 2]
