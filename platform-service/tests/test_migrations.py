"""Migrations: up, down, no drift, many at once, and the same schema as `create_all` makes."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic import command
from conftest import settings_for
from problem import assert_not_ready
from running import FOLDER, await_url, finish, serving, start
from sqlalchemy import URL, make_url, text

from platform_service.database import Database, alembic_config
from platform_service.models import Base

AT_ONCE = 8
COLUMNS = """
    SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public'
"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
"""
CATALOG = {
    "sqlite": ["SELECT tbl_name, name, sql FROM sqlite_master WHERE sql IS NOT NULL"],
    "postgresql": [COLUMNS, INDEXES, CONSTRAINTS],
}


@pytest.fixture
def url(empty_url: URL, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, which Alembic is pointed at."""
    url = empty_url.render_as_string(hide_password=False)
    monkeypatch.setenv("PLATFORM_DATABASE_URL", url)
    return url


@pytest.fixture
def empty(empty_url: URL) -> Iterator[Database]:
    database = Database(settings_for(empty_url).full_database_url)
    yield database
    database.close()


def schema(database: Database) -> set[tuple[object, ...]]:
    """Every row of the catalog about what is ours; a definition is the set of its lines."""
    rows: set[tuple[object, ...]] = set()
    with database.reader.connect() as connection:
        for query in CATALOG[database.writer.dialect.name]:
            for *names, definition in connection.execute(text(query)):
                if "alembic_version" not in names and "sqlite_sequence" not in names:
                    rows.add((*names, parts(str(definition))))
    return rows


def parts(definition: str) -> frozenset[str]:
    """The lines that define a table, as they are whether it was made at once or altered."""
    plain = re.sub(r"DEFAULT \((\w+)\)", r"DEFAULT \1", definition.replace('"', ""))
    return frozenset(re.split(r"\s*[\n,]\s*|\s+(?=CONSTRAINT )", plain.strip()))


# SQLite cannot show such an index to Alembic; the comparison of the two schemas below does.
@pytest.mark.filterwarnings(
    "ignore:Skipped unsupported reflection of expression-based index",
    "ignore:autogenerate skipping metadata-specified expression-based index",
)
@pytest.mark.usefixtures("url")
def test_migrations_go_up_and_down_and_up_again_without_drift(empty: Database) -> None:
    command.upgrade(alembic_config(), "head")
    migrated = schema(empty)
    command.check(alembic_config())
    command.downgrade(alembic_config(), "base")
    assert schema(empty) == set()
    command.upgrade(alembic_config(), "head")
    assert schema(empty) == migrated
    command.check(alembic_config())


def test_the_models_and_the_migrations_make_the_same_schema(
    empty: Database, database: Database
) -> None:
    Base.metadata.create_all(empty.writer)
    migrated = schema(database)
    assert "uq_users_email_lower" in {name for _, name, *_ in migrated}
    assert schema(empty) == migrated


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_alembic_by_hand_finds_no_drift(url: str) -> None:
    command.upgrade(alembic_config(), "head")
    code, out, err = finish(start(FOLDER, "alembic", "check", PLATFORM_DATABASE_URL=url))
    assert (code, "No new upgrade operations detected" in out) == (0, True), err


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_many_migrations_at_once_all_succeed(url: str, tmp_path: Path, empty: Database) -> None:
    jobs = [
        start(tmp_path, "platform_service.migrate", PLATFORM_DATABASE_URL=url)
        for _ in range(AT_ONCE)
    ]
    ended = [finish(job) for job in jobs]
    assert [code for code, _, _ in ended] == [0] * AT_ONCE, ended
    assert empty.check() == {"database": True, "schema": True}


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_migration_is_not_ended_by_what_limits_requests(
    url: str, tmp_path: Path, empty: Database
) -> None:
    with empty.writer.begin() as other:
        other.execute(text("SET LOCAL statement_timeout = 0"))
        other.execute(
            text("SELECT pg_advisory_xact_lock(7205759)")
        )  # as migrations/env.py takes it
        job = start(tmp_path, "platform_service.migrate", PLATFORM_DATABASE_URL=url)
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not other.scalar(text(waiting)):
            assert job.poll() is None
        other.execute(text("SELECT pg_sleep(6)"))  # longer than a request's statement may take
    code, _, err = finish(job)
    assert code == 0, err


def test_a_migration_without_its_database_is_one_sentence(tmp_path: Path) -> None:
    nowhere = "postgresql://user@127.0.0.1:9/x"
    code, _, err = finish(
        start(tmp_path, "platform_service.migrate", PLATFORM_DATABASE_URL=nowhere)
    )
    assert code == 1
    assert re.fullmatch(r"platform-service: the database cannot be migrated: [^\n]+\n", err)


def test_who_begins_with_a_new_file_waits_for_another_who_does(tmp_path: Path) -> None:
    file = tmp_path / "new.db"
    database = Database(make_url(f"sqlite:///{file}"))
    sqlite: Any = database.writer.dialect.loaded_dbapi
    with closing(sqlite.connect(file, isolation_level=None)) as other, ThreadPoolExecutor() as pool:
        other.execute("BEGIN IMMEDIATE")
        begun = pool.submit(database.create_sqlite_schema)
        with pytest.raises(TimeoutError):
            begun.result(0.5)
        other.execute("COMMIT")
        begun.result(10)
    assert database.check() == {"database": True, "schema": True}
    database.close()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_many_starters_at_once_on_an_empty_file_all_serve(url: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        starters = [
            start(tmp_path, "platform_service", PLATFORM_DATABASE_URL=url) for _ in range(AT_ONCE)
        ]
        for starter in starters:
            stack.enter_context(starter)
            stack.callback(starter.kill)
        for base_url in [await_url(starter) for starter in starters]:
            assert httpx.get(f"{base_url}/readyz", trust_env=False).status_code == 200


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alembic_version SET version_num = 'older'",
        "DELETE FROM alembic_version",
        "DROP TABLE alembic_version",
    ],
)
def test_a_service_is_not_ready_on_another_schema(
    database_url: URL, database: Database, statement: str
) -> None:
    with database.writer.begin() as connection:
        connection.execute(text(statement))
    with serving(settings_for(database_url)) as (_, url):
        answer = httpx.get(f"{url}/readyz", trust_env=False)
    assert_not_ready(answer, database="up", schema="down")


@pytest.mark.usefixtures("url")
def test_a_service_on_an_empty_database_is_ready_only_on_sqlite(
    empty_url: URL, empty: Database
) -> None:
    with serving(settings_for(empty_url)) as (_, base_url):
        ready = httpx.get(f"{base_url}/readyz", trust_env=False).status_code
        assert httpx.get(f"{base_url}/livez", trust_env=False).status_code == 200
    on_sqlite = empty.writer.dialect.name == "sqlite"
    assert (ready, bool(schema(empty))) == ((200, True) if on_sqlite else (503, False))
