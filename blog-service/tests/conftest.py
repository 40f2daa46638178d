"""What the tests share: one server for all of them, a clean migrated database for each."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic import command
from fastapi import FastAPI
from running import serving
from sqlalchemy import Row, event

from blog_service.config import Settings
from blog_service.database import Database, alembic_config

Sql = Callable[[str], Sequence[Row[Any]]]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "blog.db"
    database = Database(f"sqlite:///{file}")
    with database.writer.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    database.close()
    return file


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FastAPI, httpx.Client]]:
    url = f"sqlite:///{tmp_path_factory.mktemp('server')}/blog.db"
    with (
        serving(Settings(database_url=url, drain_seconds=0)) as (app, base_url),
        httpx.Client(base_url=base_url, trust_env=False, timeout=30) as client,
    ):
        yield app, client


@pytest.fixture
def database_url(template: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(template, tmp_path / 'blog.db')}"


@pytest.fixture
def database(server: tuple[FastAPI, httpx.Client], database_url: str) -> Iterator[Database]:
    """The database of this test, which the server uses from now on."""
    app = server[0]
    unused, app.state.database = app.state.database, Database(database_url)
    yield app.state.database
    app.state.database.close()
    app.state.database = unused


@pytest.fixture
def client(server: tuple[FastAPI, httpx.Client], database: Database) -> httpx.Client:
    assert database
    return server[1]


@pytest.fixture
def sql(database: Database) -> Sql:
    """Runs plain SQL that goes around the API, and gives its rows."""

    def run(statement: str) -> Sequence[Row[Any]]:
        with database.writer.begin() as connection:
            result = connection.exec_driver_sql(statement)
            return result.all() if result.returns_rows else []

    return run


@pytest.fixture
def statements(database: Database) -> list[str]:
    """Every SQL statement from now on, but for those that begin and end a transaction."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith("BEGIN"):
            seen.append(statement)

    event.listen(database.writer, "before_cursor_execute", note)
    return seen


@pytest.fixture
def write_post(client: httpx.Client) -> Callable[..., dict[str, Any]]:
    def write(**fields: object) -> dict[str, Any]:
        answer = client.post("/posts/", json={"title": "A post"} | fields)
        assert answer.status_code == 201, answer.text
        post: dict[str, Any] = answer.json()
        return post

    return write
