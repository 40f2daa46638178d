"""The service as the tests know it. Its database is always SQLite."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

import blog_service
from blog_service.config import Settings
from blog_service.database import make_database
from blog_service.main import create_app
from chassis_testing.service import Service

pytest_plugins = ["chassis_testing.fixtures"]

Write = Callable[..., dict[str, Any]]

BLOG = Service(
    "blog_service",
    Path(blog_service.__file__).parents[1],
    "BLOG_",
    Settings,
    create_app,
    make_database,
)


@pytest.fixture(scope="session")
def service() -> Service:
    return BLOG


@pytest.fixture(scope="session")
def engine() -> str:
    return "sqlite"


@pytest.fixture
def write_post(client: httpx.Client) -> Write:
    def write(author: Mapping[str, str] | None = None, **fields: object) -> dict[str, Any]:
        answer = client.post("/posts/", json={"title": "A post"} | fields, headers=author)
        assert answer.status_code == 201, answer.text
        post: dict[str, Any] = answer.json()
        return post

    return write
