"""The database: its limits hold for plain SQL too."""

import httpx
import pytest
from conftest import Write
from sqlalchemy.exc import IntegrityError

from chassis_testing.fixtures import Sql

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
