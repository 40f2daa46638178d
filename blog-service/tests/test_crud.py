"""How many statements a request sends, and whether an index serves them."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from chassis.database import Database
from chassis.pages import encode_cursor
from chassis_testing.fixtures import Sql, Statements

BY_ID = "SEARCH posts USING INTEGER PRIMARY KEY"
BY_PUBLISHED = "SEARCH posts USING INDEX ix_posts_published_id"

BY_TIME = "SEARCH posts USING INDEX ix_posts_published_at_id"
OF_AUTHOR = "SEARCH posts USING INDEX ix_posts_author_id_published_at_id"
DRAFTS = "SEARCH posts USING COVERING INDEX ix_posts_author_id_published_id"
BEHIND = f"sort=-published_at&cursor={encode_cursor(datetime.now(UTC), 7)}"
MERGED = {
    "SEARCH posts USING INTEGER PRIMARY KEY (rowid=?)",
    "SEARCH posts USING COVERING INDEX ix_posts_published_id (published=? AND id>?)",
    f"{DRAFTS} (author_id=? AND published=? AND id>?)",
}


@pytest.fixture
def posts(sql: Sql, statements: Statements) -> None:
    """Fifty posts."""
    rows = ", ".join(f"({number}, 'x')" for number in range(1, 51))
    sql(f"INSERT INTO posts (id, title) VALUES {rows}")
    statements.clear()


@pytest.mark.usefixtures("posts")
@pytest.mark.parametrize(
    ("method", "path", "body", "count"),
    [
        ("GET", "/posts/2", None, 1),
        ("GET", "/posts/?limit=2", None, 1),
        ("GET", "/posts/?limit=100&published=false&skip=3", None, 1),
        ("GET", "/posts/?limit=100&count=true", None, 2),
        ("POST", "/posts/", {"title": "x"}, 1),
        ("PATCH", "/posts/2", {"title": "y"}, 2),
        ("PATCH", "/posts/2", {}, 1),
        ("DELETE", "/posts/2", None, 2),
    ],
)
def test_a_request_sends_as_few_statements_as_its_work_needs(
    client: httpx.Client, statements: Statements, *, method: str, path: str, body: Any, count: int
) -> None:
    assert client.request(method, path, json=body).is_success
    assert len(statements) == count, statements


@pytest.mark.parametrize(
    ("path", "plan"),
    [
        ("/posts/7", f"{BY_ID} (rowid=?)"),
        ("/posts/?published=true", f"{BY_PUBLISHED} (published=?)"),
        ("/posts/?published=true&after=7", f"{BY_PUBLISHED} (published=? AND id>?)"),
        ("/posts/?published=true&after=7&sort=-id", f"{BY_PUBLISHED} (published=? AND id<?)"),
        ("/posts/?sort=-published_at", f"{BY_TIME} (published_at>?)"),
        (f"/posts/?{BEHIND}", f"{BY_TIME} (published_at>? AND published_at<?)"),
        (
            f"/posts/?author_id=7&{BEHIND}",
            f"{OF_AUTHOR} (author_id=? AND published_at>? AND published_at<?)",
        ),
    ],
)
def test_an_index_serves_the_query(
    client: httpx.Client, database: Database, statements: Statements, path: str, plan: str
) -> None:
    client.get(path)
    assert plan_of(database, *statements) == [plan]


def test_indexes_serve_the_parts_of_a_list(
    client: httpx.Client, database: Database, statements: Statements, ann: dict[str, str]
) -> None:
    for headers in ({}, ann):
        statements.clear()
        client.get("/posts/?after=7", headers=headers)
        steps = plan_of(database, *statements)
        assert {step for step in steps if "posts" in step} == MERGED


def plan_of(database: Database, statement: tuple[str, Any]) -> list[str]:
    sql, values = statement
    with database.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()
    return [row.detail for row in rows]
