"""The database: its limits hold whoever writes, and no acknowledged write is lost."""

import itertools
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from conftest import BLOG
from sqlalchemy import URL, event
from sqlalchemy.exc import IntegrityError

from chassis.database import Database
from chassis_testing.problem import assert_problem

Sql = Callable[[str], Sequence[Any]]
Write = Callable[..., dict[str, Any]]
INSERT = "INSERT INTO posts (title, body) VALUES ({}, {})"


@pytest.mark.parametrize(
    ("title", "body", "constraint"),
    [
        ("NULL", "NULL", "NOT NULL constraint failed: posts.title"),
        ("''", "NULL", "ck_posts_title_length"),
        (f"'{'é' * 201}'", "NULL", "ck_posts_title_length"),
        ("'x'", f"'{'é' * 100_001}'", "ck_posts_body_length"),
    ],
    ids=["no title", "an empty title", "a long title", "a long body"],
)
def test_plain_sql_cannot_go_beyond_the_limits(
    sql: Sql, title: str, body: str, constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        sql(INSERT.format(title, body))
    assert sql("SELECT count(*) FROM posts")[0] == (0,)


def test_plain_sql_gets_the_defaults(client: httpx.Client, sql: Sql) -> None:
    sql(INSERT.format(f"'{'é' * 200}'", f"'{'é' * 100_000}'"))
    (post,) = client.get("/posts/").json()
    assert post["published"] is False
    assert post["created_at"].endswith("Z")


def test_an_id_is_not_used_again_after_plain_sql_removed_it(sql: Sql, write_post: Write) -> None:
    last = write_post()["id"]
    sql("DELETE FROM posts")
    assert write_post()["id"] == last + 1


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5_000)],
)
def test_every_connection_is_set_up(database: Database, pragma: str, value: object) -> None:
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value


def test_an_sqlite_that_can_corrupt_a_database_is_said_so_in_the_log(
    database_url: URL, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "pysqlite3", None)  # as where there is no wheel of it
    monkeypatch.setattr("chassis.sqlite.SAFE_SQLITE", (99,))
    BLOG.database_at(database_url).close()
    assert "corrupt a database" in caplog.text


def test_a_write_is_seen_by_whoever_reads_next(client: httpx.Client, write_post: Write) -> None:
    with httpx.Client(base_url=client.base_url, trust_env=False) as other:
        for number in range(50):
            post = write_post(title=f"{number}")
            assert other.get(f"/posts/{post['id']}").json() == post


def test_many_writers_at_once_lose_nothing(client: httpx.Client) -> None:
    names = [f"{writer}-{turn}" for writer, turn in itertools.product(range(32), range(8))]

    def write(name: str) -> tuple[int, int]:
        created = client.post("/posts/", json={"title": name})
        changed = client.patch(created.headers["Location"], json={"body": name})
        return created.status_code, changed.status_code

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(write, names)) == {(201, 200)}
    posts = client.get("/posts/?limit=100&count=true")
    assert posts.headers["X-Total-Count"] == str(len(names))
    found = {(post["title"], post["body"]) for post in posts.json()}
    while "next" in posts.links:
        posts = client.get(posts.links["next"]["url"])
        found |= {(post["title"], post["body"]) for post in posts.json()}
    assert found == {(name, name) for name in names}


def test_a_reader_is_not_held_up_by_a_writer(
    client: httpx.Client, database: Database, write_post: Write
) -> None:
    write_post()
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM posts")
        assert len(client.get("/posts/", timeout=5).json()) == 1
    assert client.get("/posts/").json() == []


def test_a_commit_that_fails_is_no_success(client: httpx.Client, sql: Sql) -> None:
    sql("CREATE TABLE notes (post INTEGER REFERENCES posts (id) DEFERRABLE INITIALLY DEFERRED)")
    sql("CREATE TRIGGER late AFTER INSERT ON posts BEGIN INSERT INTO notes VALUES (-1); END")
    assert_problem(client.post("/posts/", json={"title": "x"}), 409)
    assert client.get("/posts/").json() == []
    sql("DROP TRIGGER late")
    assert client.post("/posts/", json={"title": "x"}).status_code == 201


def test_a_full_disk_is_503_and_keeps_what_was_there(
    client: httpx.Client, database: Database, write_post: Write
) -> None:
    post = write_post()
    database.engine.dispose()
    event.listen(database.engine, "connect", _allow_no_growth)
    answer = client.post("/posts/", json={"title": "x", "body": "y" * 100_000})
    assert_problem(answer, 503)
    assert answer.headers["Retry-After"] == "1"
    assert client.get("/posts/").json() == [post]
    event.remove(database.engine, "connect", _allow_no_growth)
    database.engine.dispose()
    assert client.post("/posts/", json={"title": "x", "body": "y" * 100_000}).status_code == 201


def _allow_no_growth(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA max_page_count = 1")  # as many pages as there are already
