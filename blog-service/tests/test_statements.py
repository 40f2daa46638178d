"""How many statements a request sends, beside BEGIN and COMMIT, and whether an index helps."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from chassis.database import Database
from chassis_testing.fixtures import Statements


@pytest.fixture
def posts(sql: Callable[[str], object], statements: Statements) -> None:
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
    client: httpx.Client, statements: Statements, path: str, count: int
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
    client: httpx.Client, statements: Statements, method: str, path: str, body: Any
) -> None:
    assert client.request(method, path, json=body).is_success
    assert 1 <= len(statements) <= 3, statements


def test_the_count_and_the_page_of_an_answer_agree_while_others_write(
    client: httpx.Client, database: Database, sql: Callable[[str], object]
) -> None:
    def write(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "count(" in statement:
            sql("INSERT INTO posts (title) VALUES ('x')")

    event.listen(database.engine, "after_cursor_execute", write)
    for number in range(3):
        answer = client.get("/posts/?count=true")
        assert (answer.headers["X-Total-Count"], len(answer.json())) == (str(number), number)


def test_what_is_refused_sends_none(client: httpx.Client, statements: Statements) -> None:
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
    client: httpx.Client, database: Database, statements: Statements, path: str, plan: str
) -> None:
    client.get(path)
    ((sql, values),) = statements
    with database.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()
    assert [row.detail for row in rows] == [plan]
