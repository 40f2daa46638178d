"""Deletions of accounts: what goes with them, and who comes too late."""

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from conftest import PASSWORD, User, Write, delete, sign_in
from sqlalchemy import text

from chassis.database import Database
from chassis_testing.fixtures import Sql, Statements
from chassis_testing.hanging import connections_at_work
from chassis_testing.problem import assert_problem
from chassis_testing.waiting import until
from platform_service import crud


def test_a_deleted_account_is_gone_with_its_articles(
    client: httpx.Client, ann: User, bob: User, write_article: Write
) -> None:
    public, draft = write_article(ann, is_published=True), write_article(ann)
    other = write_article(bob, is_published=True)
    answer = delete(client, ann)
    assert (answer.status_code, answer.content) == (204, b"")
    for path in ("/users/me", "/articles/", f"/articles/{draft['id']}"):
        assert_problem(client.get(path, headers=ann.headers), 401)
    assert_problem(delete(client, ann), 401)
    assert sign_in(client, ann.email).status_code == 401
    assert_problem(client.get(f"/users/{ann.id}", headers=bob.headers), 404)
    assert_problem(client.get(f"/articles/{public['id']}"), 404)
    assert client.get("/articles/").json() == [other]


def test_the_id_of_a_deleted_account_is_not_used_again(client: httpx.Client, ann: User) -> None:
    assert delete(client, ann).status_code == 204
    body = {"email": ann.email, "password": PASSWORD}
    assert client.post("/users/", json=body).json()["id"] > ann.id
    assert_problem(client.get("/users/me", headers=ann.headers), 401)


@pytest.mark.parametrize("articles", [crud.BATCH - 1, crud.BATCH, 2 * crud.BATCH + 1])
def test_an_account_with_many_articles_is_deleted_in_batches(
    client: httpx.Client, ann: User, bob: User, sql: Sql, articles: int
) -> None:
    rows = ",".join(f"('x', 'x', {user.id})" for user in [bob, *[ann] * articles, bob])
    sql(f"INSERT INTO articles (title, content, owner_id) VALUES {rows}")
    assert delete(client, ann).status_code == 204
    assert sql("SELECT min(owner_id), max(owner_id), count(*) FROM articles")[0] == (
        bob.id,
        bob.id,
        2,
    )


def test_long_articles_are_deleted_in_smaller_batches(
    client: httpx.Client, ann: User, sql: Sql, statements: Statements
) -> None:
    text = "x" * 99_999
    sql(f"INSERT INTO articles (title, content, owner_id) VALUES ('x', '{text}', {ann.id})")
    copies = f"SELECT title, content, owner_id FROM articles WHERE owner_id = {ann.id}"
    for _ in range(5):
        sql(f"INSERT INTO articles (title, content, owner_id) {copies}")
    statements.clear()
    assert delete(client, ann).status_code == 204
    batches = [it for it, _ in statements if it.startswith("DELETE FROM articles")]
    assert len(batches) == 2, "of 32 articles"
    assert sql("SELECT count(*) FROM articles")[0] == (0,)


def test_of_many_deletions_at_once_one_deletes(client: httpx.Client, ann: User) -> None:
    with ThreadPoolExecutor(5) as pool:
        statuses = Counter(pool.map(lambda _: delete(client, ann).status_code, range(5)))
    assert statuses == {204: 1, 401: 4}


def test_no_article_outlives_a_deletion_that_it_races_with(
    client: httpx.Client, ann: User, sql: Sql
) -> None:
    article = {"title": "x", "content": "x"}

    def write(_: int) -> int:
        return client.post("/articles/", json=article, headers=ann.headers).status_code

    with ThreadPoolExecutor(9) as pool:
        writing = pool.map(write, range(200))
        assert delete(client, ann).status_code == 204
        assert set(writing) <= {201, 401}
    assert sql("SELECT count(*) FROM articles")[0] == (0,)


ARTICLE = {"title": "x", "content": "x"}
PASSWORD_NEEDED = {"current_password": PASSWORD}
NOBODY_OR_NOTHING = {
    401,
    404,
}  # SQLite has one writer at a time, so that the caller is missed first
# What a caller asks for while the account is being deleted, and the answer.
LATE: list[tuple[str, str, dict[str, Any], set[int]]] = [
    ("POST", "/articles/", {"json": ARTICLE}, {401}),
    ("POST", "/articles/", {"json": ARTICLE, "headers": {"Idempotency-Key": "k"}}, {401}),
    ("PATCH", "/articles/{article}", {"json": {"title": "y"}}, NOBODY_OR_NOTHING),
    ("DELETE", "/articles/{article}", {}, NOBODY_OR_NOTHING),
    ("PATCH", "/users/me", {"json": {**PASSWORD_NEEDED, "email": "eve@example.com"}}, {401}),
    ("PATCH", "/users/me", {"json": {**PASSWORD_NEEDED, "password": "battery staple"}}, {401}),
    ("DELETE", "/users/me", {"json": PASSWORD_NEEDED}, {401}),
    ("POST", "/auth/token", {"data": {"username": "ann@example.com", "password": PASSWORD}}, {401}),
    ("POST", "/auth/token", {"data": {"grant_type": "refresh_token", "refresh_token": "?"}}, {400}),
    ("POST", "/auth/revoke", {"data": {"token": "?"}}, {200}),
    ("POST", "/auth/revoke", {"data": {"token": "?", "all": "true"}}, {200}),
]


@pytest.mark.parametrize(("method", "path", "sent", "statuses"), LATE)
def test_a_write_that_waits_for_the_deletion_of_its_caller_finds_no_account(
    client: httpx.Client,
    database: Database,
    ann: User,
    write_article: Write,
    *,
    method: str,
    path: str,
    sent: dict[str, Any],
    statuses: set[int],
) -> None:
    path = path.format(article=write_article(ann)["id"])
    token = sign_in(client, ann.email).json()["refresh_token"]
    if "data" in sent:
        data = {name: token if value == "?" else value for name, value in sent["data"].items()}
        sent = {"data": data}
    else:
        sent = {**sent, "headers": {**ann.headers, **sent.get("headers", {})}}
    with ThreadPoolExecutor(1) as pool, database.engine.connect() as deletion:
        for table in ("articles", "users"):
            deletion.execute(text(f"DELETE FROM {table}"))
        waiting = pool.submit(client.request, method, path, **sent)
        until(lambda: is_waiting(database, waiting), "the wait for the deletion")
        deletion.commit()
        answer = waiting.result()
    assert answer.status_code in statuses, answer.text


def is_waiting(database: Database, request: "Future[httpx.Response]") -> bool:
    """Return whether a request waits for a lock, or has its answer."""
    if database.engine.dialect.name == "sqlite":  # nobody can see who waits
        return connections_at_work(database) > 1 or request.done()
    with database.read_engine.connect() as connection:
        waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(connection.scalar(waits)) or request.done()
