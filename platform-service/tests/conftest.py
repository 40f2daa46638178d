"""The service as the tests know it, and users who are signed in."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import platform_service
from chassis_testing.service import Service
from platform_service.config import Settings
from platform_service.database import make_database
from platform_service.main import create_app
from platform_service.passwords import hash_password

pytest_plugins = ["chassis_testing.fixtures"]

Write = Callable[..., dict[str, Any]]

PASSWORD = "correct horse"
PLATFORM = Service(
    "platform_service",
    Path(platform_service.__file__).parents[1],
    "PLATFORM_",
    Settings,
    create_app,
    make_database,
)


@dataclass(frozen=True)
class User:
    """Somebody who is signed in."""

    id: int
    email: str
    headers: dict[str, str]


def delete(client: httpx.Client, user: User, current: str = PASSWORD) -> httpx.Response:
    """Delete the account of a user."""
    body = {"current_password": current}
    return client.request("DELETE", "/users/me", json=body, headers=user.headers)


def sign_in(
    client: httpx.Client,
    email: str,
    password: str = PASSWORD,
    *,
    headers: dict[str, str] | None = None,
    **fields: str,
) -> httpx.Response:
    """Return the answer to a sign-in with these fields of the form."""
    form = {"username": email, "password": password, **fields}
    return client.post("/auth/token", data=form, headers=headers)


@pytest.fixture(scope="session")
def service() -> Service:
    return PLATFORM


@pytest.fixture(scope="session")
def password_hash() -> str:
    return asyncio.run(hash_password(PASSWORD))


@pytest.fixture
def new_user(
    server: tuple[Any, httpx.Client], sql: Callable[[str], Any], password_hash: str
) -> Callable[[str], User]:
    """Makes a user and a token without the cost of hashing."""

    def add(name: str) -> User:
        email = f"{name}@example.com"
        ((user_id,),) = sql(
            "INSERT INTO users (email, hashed_password) "
            f"VALUES ('{email}', '{password_hash}') RETURNING id"
        )
        token = server[0].state.keys.sign(user_id)
        return User(user_id, email, {"Authorization": f"Bearer {token}"})

    return add


@pytest.fixture
def ann(new_user: Callable[[str], User]) -> User:
    return new_user("ann")


@pytest.fixture
def bob(new_user: Callable[[str], User]) -> User:
    return new_user("bob")


@pytest.fixture
def write_article(client: httpx.Client) -> Write:
    def write(owner: User, **fields: object) -> dict[str, Any]:
        content = {"title": "A title", "content": "Some text"} | fields
        answer = client.post("/articles/", json=content, headers=owner.headers)
        assert answer.status_code == 201, answer.text
        article: dict[str, Any] = answer.json()
        return article

    return write


@pytest.fixture
def token(client: httpx.Client, ann: User) -> str:
    """The refresh token of Ann's first session."""
    first: str = sign_in(client, ann.email).json()["refresh_token"]
    return first
