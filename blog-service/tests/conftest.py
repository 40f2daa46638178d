"""The service as the tests know it. Its database is always SQLite."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

import blog_service
from blog_service.config import Settings
from blog_service.database import make_database
from blog_service.main import create_app
from chassis_testing.keys import SigningKey
from chassis_testing.service import Service

pytest_plugins = ["chassis_testing.fixtures"]

BLOG = Service(
    "blog_service",
    Path(blog_service.__file__).parents[1],
    "BLOG_",
    Settings,
    create_app,
    lambda settings: make_database(settings.database_url),
)


@pytest.fixture(scope="session")
def service() -> Service:
    return BLOG


@pytest.fixture(scope="session")
def engine() -> str:
    return "sqlite"


@pytest.fixture
def key(server: tuple[FastAPI, httpx.Client]) -> Iterator[SigningKey]:
    """The key of the tokens that the service takes from now on. Else it knows no callers."""
    key = SigningKey()
    server[0].state.tokens = key.tokens
    yield key
    server[0].state.tokens = None


@pytest.fixture
def ann(key: SigningKey) -> dict[str, str]:
    """The header fields of a caller, whose id is 1."""
    return key.bearer(1)


@pytest.fixture
def bob(key: SigningKey) -> dict[str, str]:
    """Those of another one, whose id is 2."""
    return key.bearer(2)


@pytest.fixture
def write_post(client: httpx.Client) -> Callable[..., dict[str, Any]]:
    def write(author: Mapping[str, str] | None = None, **fields: object) -> dict[str, Any]:
        answer = client.post("/posts/", json={"title": "A post"} | fields, headers=author)
        assert answer.status_code == 201, answer.text
        post: dict[str, Any] = answer.json()
        return post

    return write
