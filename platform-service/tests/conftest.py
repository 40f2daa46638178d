"""What the tests share: one server for all of them, a clean migrated database for each.

Every test that uses a database runs on PostgreSQL and on SQLite. PLATFORM_TEST_DATABASE_URL names
a PostgreSQL server to use, on which databases are made and removed; else one is started.
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic import command
from fastapi import FastAPI
from running import serving
from sqlalchemy import URL, Row, event, make_url, text

from chassis_testing import postgres
from platform_service.config import Settings
from platform_service.database import Database, alembic_config
from platform_service.passwords import hash_password

PASSWORD = "correct horse"

Sql = Callable[[str], Sequence[Row[Any]]]


@dataclass(frozen=True)
class User:
    """Somebody who is signed in."""

    id: int
    email: str
    headers: dict[str, str]


def settings_for(url: URL) -> Settings:
    """The settings of a server that ends at once when it is told to."""
    return Settings(database_url=url.render_as_string(hide_password=False), drain_seconds=0)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """The PostgreSQL server, by the URL of its first database."""
    given = os.environ.get("PLATFORM_TEST_DATABASE_URL")
    if given:
        yield make_url(given).set(drivername="postgresql")
    else:
        with postgres.running(tmp_path_factory.mktemp("postgresql")) as url:
            yield url


def create_database(server: URL, name: str, options: str = "") -> URL:
    drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
    postgres.administer(server, drop, f"CREATE DATABASE {name} {options}")
    return server.set(database=name)


@pytest.fixture(scope="session", params=["postgresql", "sqlite"])
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def database_of(engine: str, request: pytest.FixtureRequest, folder: Path, name: str) -> URL:
    """Make an empty database on the engine."""
    if engine == "sqlite":
        return URL.create("sqlite", database=str(folder / f"{name}.db"))
    return create_database(request.getfixturevalue("postgresql"), f"inkwell_{name}")


@pytest.fixture(scope="session")
def template(
    engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> URL:
    """A migrated database that nobody uses but to copy it."""
    url = database_of(engine, request, tmp_path_factory.mktemp("template"), "template")
    database = Database(settings_for(url).full_database_url)
    with database.writer.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    database.close()
    return url


@pytest.fixture
def database_url(template: URL, tmp_path: Path) -> Iterator[URL]:
    if template.database and template.get_backend_name() == "sqlite":
        file = shutil.copy(template.database, tmp_path / "platform.db")
        yield template.set(database=str(file))
    else:
        copied = f"TEMPLATE {template.database} STRATEGY file_copy"
        server = template.set(database="postgres")
        yield create_database(server, "inkwell_test", copied)
        postgres.administer(server, "DROP DATABASE inkwell_test WITH (FORCE)")


@pytest.fixture
def empty_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """A database without a table."""
    return database_of(engine, request, tmp_path, "empty")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FastAPI, httpx.Client]]:
    url = URL.create("sqlite", database=f"{tmp_path_factory.mktemp('server')}/platform.db")
    with (
        serving(settings_for(url)) as (app, base_url),
        httpx.Client(base_url=base_url, trust_env=False, timeout=30) as client,
    ):
        yield app, client


@pytest.fixture
def database(server: tuple[FastAPI, httpx.Client], database_url: URL) -> Iterator[Database]:
    """The database of this test, which the server uses from now on."""
    app = server[0]
    unused = app.state.database
    app.state.database = Database(settings_for(database_url).full_database_url)
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
            result = connection.execute(text(statement))
            return result.all() if result.returns_rows else []

    return run


@pytest.fixture
def statements(database: Database) -> list[tuple[str, Any]]:
    """Every SQL statement from now on with its values, but for those that begin a transaction."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, sql: str, values: Any, *_rest: object) -> None:
        if not sql.startswith("BEGIN"):
            seen.append((sql, values))

    for engine in {database.writer, database.reader}:
        if engine is database.writer or engine.pool is not database.writer.pool:
            event.listen(engine, "before_cursor_execute", note)
    return seen


@pytest.fixture(scope="session")
def password_hash() -> str:
    return asyncio.run(hash_password(PASSWORD))


@pytest.fixture
def sign_in(
    server: tuple[FastAPI, httpx.Client], sql: Sql, password_hash: str
) -> Callable[[str], User]:
    """Makes a user and a token without the cost of hashing."""

    def user(name: str) -> User:
        email = f"{name}@example.com"
        ((user_id,),) = sql(
            "INSERT INTO users (email, hashed_password) "
            f"VALUES ('{email}', '{password_hash}') RETURNING id"
        )
        token = server[0].state.keys.sign(user_id)
        return User(user_id, email, {"Authorization": f"Bearer {token}"})

    return user


@pytest.fixture
def ann(sign_in: Callable[[str], User]) -> User:
    return sign_in("ann")


@pytest.fixture
def bob(sign_in: Callable[[str], User]) -> User:
    return sign_in("bob")


@pytest.fixture
def write_article(client: httpx.Client) -> Callable[..., dict[str, Any]]:
    def write(owner: User, **fields: object) -> dict[str, Any]:
        content = {"title": "A title", "content": "Some text"} | fields
        answer = client.post("/articles/", json=content, headers=owner.headers)
        assert answer.status_code == 201, answer.text
        article: dict[str, Any] = answer.json()
        return article

    return write
