"""How many statements a request sends, beside BEGIN and COMMIT, and whether an index helps."""

from typing import Any

import httpx
import pytest
from conftest import PASSWORD, User, sign_in

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
    sign_in(client, ann.email)
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
