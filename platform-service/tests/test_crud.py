"""How many statements a request sends, beside BEGIN and COMMIT, and whether an index helps."""

from typing import Any

import httpx
import pytest
from conftest import PASSWORD, User

from chassis.database import Database
from chassis_testing.fixtures import Sql, Statements


@pytest.fixture
def articles(sql: Sql, statements: Statements, ann: User) -> None:
    """Fifty articles of Ann's, every second published."""
    rows = ",".join(f"({n}, 'x', 'x', {n % 2 == 0}, {ann.id})" for n in range(101, 151))
    sql(f"INSERT INTO articles (id, title, content, is_published, owner_id) VALUES {rows}")
    statements.clear()


@pytest.mark.usefixtures("articles")
@pytest.mark.parametrize(
    ("path", "signed_in", "count"),
    [
        ("/articles/102", False, 1),
        ("/articles/101", True, 2),
        ("/articles/?limit=2", False, 1),
        ("/articles/?limit=100", False, 1),
        ("/articles/?limit=100&is_published=false&owner_id=1&skip=3", True, 2),
        ("/articles/?limit=100&count=true", False, 2),
        ("/articles/?limit=100&count=true", True, 3),
        ("/users/me", True, 1),
        ("/users/?limit=100", True, 2),
        ("/users/?count=true", True, 3),
        ("/.well-known/jwks.json", False, 0),
    ],
)
def test_a_read_sends_one_statement_one_more_signed_in_and_one_more_to_count(
    client: httpx.Client,
    statements: Statements,
    ann: User,
    *,
    path: str,
    signed_in: bool,
    count: int,
) -> None:
    assert client.get(path, headers=ann.headers if signed_in else {}).status_code == 200
    assert len(statements) == count, statements


@pytest.mark.usefixtures("articles")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/articles/", {"title": "x", "content": "x"}),
        ("PATCH", "/articles/102", {"title": "x"}),
        ("PATCH", "/articles/102", {}),
        ("DELETE", "/articles/102", None),
        ("POST", "/users/", {"email": "eve@example.com", "password": PASSWORD}),
    ],
)
def test_a_write_sends_at_most_three(
    client: httpx.Client,
    statements: Statements,
    ann: User,
    *,
    method: str,
    path: str,
    body: Any,
) -> None:
    assert client.request(method, path, json=body, headers=ann.headers).is_success
    assert 1 <= len(statements) <= 3, statements


def test_signing_in_sends_two_and_five_when_the_password_is_right(
    client: httpx.Client, ann: User, statements: Statements
) -> None:
    client.post("/auth/token", data={"username": ann.email, "password": PASSWORD})
    assert len(statements) == 2 + 5, statements


def test_a_request_refused_without_a_token_sends_none(
    client: httpx.Client, statements: Statements
) -> None:
    client.get("/articles/x")
    client.get("/articles/?limit=0")
    client.get("/users/")
    client.post("/articles/", json={"title": "x", "content": "x"})
    client.post("/users/", json={"email": "", "password": PASSWORD})
    assert statements == []


ROWS = 1_000_000
BATCH = 50_000
MERGED = ["/articles/", "/articles/?after=900000"]  # of two lists: a page of each is sorted
PLANNED = [
    "/articles/500000",
    "/articles/?is_published=true&after=900000",
    "/articles/?is_published=false",
    "/articles/?owner_id=7",
    "/articles/?owner_id=7&after=900000",
    "/articles/?owner_id=7&is_published=true",
]


@pytest.fixture
def million(sql: Sql, database: Database, ann: User) -> None:
    """As many articles, of a thousand users; one in ten is a draft."""
    numbers = (
        "WITH RECURSIVE numbers (n) AS "
        "(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {}) INSERT INTO {} FROM numbers"
    )
    users = "users (email, hashed_password) SELECT 'user' || n || '@example.com', 'x'"
    sql(numbers.format(1000, users))
    articles = "articles (title, content, is_published, owner_id) SELECT 'x', 'x', n % 10 > 0, {}"
    for _ in range(ROWS // BATCH):  # one statement for all would take longer than one may
        sql(numbers.format(BATCH, articles.format(f"{ann.id} + n % 1000")))
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")


@pytest.mark.slow
@pytest.mark.usefixtures("million")
def test_no_page_of_a_million_articles_reads_them_all(
    client: httpx.Client,
    database: Database,
    statements: Statements,
    ann: User,
    subtests: pytest.Subtests,
) -> None:
    explain = "EXPLAIN" if database.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    for path in [*PLANNED, *MERGED, "/users/?after=500"]:
        statements.clear()
        assert client.get(path, headers=ann.headers).status_code == 200
        for statement, values in list(statements):
            with database.engine.connect() as connection, subtests.test(path):
                rows = connection.exec_driver_sql(f"{explain} {statement}", values).all()
                plan = "\n".join(str(row) for row in rows)
                assert "Seq Scan on articles" not in plan, plan
                assert "SCAN articles" not in plan, plan
                sorts = "TEMP B-TREE" in plan or "Sort  (" in plan
                assert path in MERGED or not sorts, plan
