"""Fixtures for the tests of every service: `pytest_plugins = ["chassis_testing.fixtures"]`.

One server serves all tests; each test has a clean migrated database. A test that uses a database
runs on PostgreSQL and on SQLite, unless its module is for `only` one, or its conftest.py
has an `engine` of its own.
PLATFORM_TEST_DATABASE_URL names a PostgreSQL server on which databases are made and removed;
without it one is started.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic import command
from fastapi import FastAPI
from sqlalchemy import URL, Engine, Row, event, make_url, text

from chassis.database import Database
from chassis.postgresql import limits_in
from chassis.sqlite import newest_sqlite
from chassis_testing import postgres
from chassis_testing.keys import SigningKey
from chassis_testing.running import serving
from chassis_testing.service import Service

# Their failed assertions say what differs, as those of a test do.
CHECKING = ("chassis_testing.changes", "chassis_testing.problem", "chassis_testing.schema")
pytest.register_assert_rewrite(*CHECKING)

Sql = Callable[[str], Sequence[Row[Any]]]
Statements = list[tuple[str, Any]]
Server = tuple[FastAPI, httpx.Client]


def only(engine: str) -> list[pytest.MarkDecorator]:
    """Return the `pytestmark` of a module whose tests need one engine."""
    chosen = pytest.mark.parametrize("engine", [engine], indirect=True)
    return [pytest.mark.usefixtures("engine"), chosen]


def _refuse(_moment: datetime) -> str:
    raise TypeError("the moment needs the type UtcDateTime: drivers write it in forms of their own")


@pytest.fixture(scope="session", autouse=True)
def typed_moments() -> None:
    """Make SQLite's driver refuse a moment that does not have the one form of all."""
    newest_sqlite().register_adapter(datetime, _refuse)


@pytest.fixture(scope="session", params=["postgresql", "sqlite"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the database system."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """The PostgreSQL server, as the URL of its first database."""
    given = os.environ.get("PLATFORM_TEST_DATABASE_URL")
    if given:
        yield make_url(given).set(drivername="postgresql")
    else:
        with postgres.running(tmp_path_factory.mktemp("postgresql")) as url:
            yield url


def _empty(engine: str, request: pytest.FixtureRequest, folder: Path, name: str) -> URL:
    if engine == "sqlite":
        return URL.create("sqlite", database=str(folder / f"{name}.db"))
    return _create(request.getfixturevalue("postgresql"), f"inkwell_{name}")


def _create(server: URL, name: str, options: str = "") -> URL:
    drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
    postgres.administer(server, drop, f"CREATE DATABASE {name} {options}", *limits_in(name))
    return server.set(database=name)


@pytest.fixture
def empty_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """A database without a table."""
    return _empty(engine, request, tmp_path, "empty")


@pytest.fixture
def empty(service: Service, empty_url: URL) -> Iterator[Database]:
    """A database without a table, opened."""
    database = service.database_at(empty_url)
    yield database
    database.close()


@pytest.fixture(scope="session")
def template(
    service: Service,
    engine: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> URL:
    """A migrated database, which is only copied."""
    url = _empty(engine, request, tmp_path_factory.mktemp("template"), "template")
    database = service.database_at(url)
    with database.engine.begin() as connection:
        command.upgrade(database.alembic_config(connection), "head")
    database.close()
    return url


@pytest.fixture
def database_url(template: URL, tmp_path: Path) -> Iterator[URL]:
    """A migrated database without a row."""
    if template.get_backend_name() == "sqlite":
        file = shutil.copy(str(template.database), tmp_path / "test.db")
        yield template.set(database=str(file))
    else:
        server = template.set(database="postgres")
        copied = f"TEMPLATE {template.database} STRATEGY file_copy"
        yield _create(server, "inkwell_test", copied)
        postgres.administer(server, "DROP DATABASE inkwell_test WITH (FORCE)")


@pytest.fixture(scope="session")
def server(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The application as it is served, and a client of it."""
    folder = tmp_path_factory.mktemp("server")
    settings = service.settings_for(URL.create("sqlite", database=f"{folder}/server.db"))
    app = service.create_app(settings)
    with (
        serving(app, settings) as base_url,
        httpx.Client(base_url=base_url, trust_env=False, timeout=120) as client,
    ):
        yield app, client


@pytest.fixture
def database(service: Service, server: Server, database_url: URL) -> Iterator[Database]:
    """The database of this test, which the server uses from now on."""
    app = server[0]
    unused, app.state.database = app.state.database, service.database_at(database_url)
    yield app.state.database
    app.state.database.close()
    app.state.database = unused


@pytest.fixture
def client(server: Server, database: Database) -> httpx.Client:
    """A client of the server, on the database of this test."""
    assert database
    return server[1]


@pytest.fixture
def key(server: Server) -> Iterator[SigningKey]:
    """The key of the tokens that the service takes in this test, instead of its own or of none."""
    key, state = SigningKey(), server[0].state
    before, state.token_verifier = state.token_verifier, key.verifier
    yield key
    state.token_verifier = before


@pytest.fixture
def ann(key: SigningKey) -> dict[str, str]:
    """The header fields of a caller, whose id is 1."""
    return key.bearer(1)


@pytest.fixture
def bob(key: SigningKey) -> dict[str, str]:
    """The header fields of another caller, whose id is 2."""
    return key.bearer(2)


@pytest.fixture
def sql(database: Database) -> Sql:
    """A function that runs plain SQL, which goes around the API, and returns its rows."""

    def run(statement: str) -> Sequence[Row[Any]]:
        with database.engine.begin() as connection:
            result = connection.execute(text(statement))
            return result.all() if result.returns_rows else []

    return run


@pytest.fixture
def statements(database: Database) -> Statements:
    """Every SQL statement from now on with its values, but for those that begin a transaction."""
    return recorded(database.read_engine, database.engine)


def recorded(*engines: Engine) -> Statements:
    """Return a list that receives every statement, but for those that begin a transaction."""
    seen: Statements = []

    def note(_connection: object, _cursor: object, sql: str, values: Any, *_rest: object) -> None:
        if not sql.startswith(("BEGIN", "COMMIT")):
            seen.append((sql, values))

    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    return seen
