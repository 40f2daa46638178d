"""How many statements a request sends, beside BEGIN and COMMIT, and whether an index helps."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from blog_service.database import Database


@pytest.fixture
def posts(sql: Callable[[str], object], statements: list[str]) -> None:
    """Fifty posts."""
    rows = ", ".join(f"({number}, 'x')" for number in range(1, 51))
    sql(f"INSERT INTO posts (id, title) VALUES {rows}")
    statements.clear()


@pytest.mark.usefixtures("posts")
@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/posts/2", 1),
        ("/posts/?limit=2", 1),
        ("/posts/?limit=100&published=false&skip=3", 1),
        ("/posts/?limit=2&count=true", 2),
        ("/posts/?limit=100&count=true", 2),
    ],
)
def test_a_read_sends_one_statement_and_one_more_to_count_however_long_the_list(
    client: httpx.Client, statements: list[str], path: str, count: int
) -> None:
    assert client.get(path).status_code == 200
    assert len(statements) == count, statements


@pytest.mark.usefixtures("posts")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/posts/", {"title": "x"}),
        ("PATCH", "/posts/2", {"title": "x"}),
        ("PATCH", "/posts/2", {}),
        ("DELETE", "/posts/2", None),
    ],
)
def test_a_write_sends_at_most_three(
    client: httpx.Client, statements: list[str], method: str, path: str, body: Any
) -> None:
    assert client.request(method, path, json=body).is_success
    assert 1 <= len(statements) <= 3, statements


def test_reads_begin_no_transaction(client: httpx.Client, database: Database) -> None:
    begun: list[object] = []
    event.listen(database.writer, "before_cursor_execute", lambda *args: begun.append(args[2]))
    client.get("/posts/?count=true")
    assert not [statement for statement in begun if str(statement).startswith("BEGIN")]


def test_what_is_refused_sends_none(client: httpx.Client, statements: list[str]) -> None:
    client.get("/posts/x")
    client.get("/posts/?limit=0")
    client.post("/posts/", json={"title": ""})
    assert statements == []


@pytest.mark.parametrize(
    ("path", "plan"),
    [
        ("/posts/7", "SEARCH posts USING INTEGER PRIMARY KEY (rowid=?)"),
        ("/posts/?after=7", "SEARCH posts USING INTEGER PRIMARY KEY (rowid>?)"),
        (
            "/posts/?published=true",
            "SEARCH posts USING INDEX ix_posts_published_id (published=?)",
        ),
        (
            "/posts/?published=true&after=7",
            "SEARCH posts USING INDEX ix_posts_published_id (published=? AND id>?)",
        ),
    ],
)
def test_an_index_serves_the_query(
    client: httpx.Client, database: Database, path: str, plan: str
) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, sql: str, values: Any, *_rest: object) -> None:
        asked.append((sql, values))

    event.listen(database.writer, "before_cursor_execute", note)
    client.get(path)
    ((sql, values),) = asked
    with database.reader.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()
    assert [row.detail for row in rows] == [plan]
