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
from conftest import BLOG
from sqlalchemy import URL, make_url, text

from blog_service.models import Base
from chassis.database import Database
from chassis_testing.problem import assert_not_ready
from chassis_testing.running import await_url, finish, serving

AT_ONCE = 8


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, which Alembic is pointed at."""
    url = f"sqlite:///{tmp_path}/empty.db"
    monkeypatch.setenv("BLOG_DATABASE_URL", url)
    return url


@pytest.fixture
def empty(url: str) -> Iterator[Database]:
    database = BLOG.database_at(make_url(url))
    yield database
    database.close()


def schema(database: Database) -> set[tuple[str, str, frozenset[str]]]:
    """Every table and index of our own, each as the set of lines that define it."""
    catalog = text("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    with database.engine.connect() as connection:
        return {(row.type, row.name, parts(row.sql)) for row in connection.execute(catalog)}


def parts(definition: str) -> frozenset[str]:
    """The lines that define a table, as they are whether it was made at once or altered."""
    plain = re.sub(r"DEFAULT \((\w+)\)", r"DEFAULT \1", definition.replace('"', ""))
    return frozenset(re.split(r"\s*[\n,]\s*|\s+(?=CONSTRAINT )", plain.strip()))


@pytest.mark.usefixtures("empty")
def test_migrations_go_up_and_down_and_up_again_without_drift(empty: Database) -> None:
    command.upgrade(empty.alembic_config(), "head")
    migrated = schema(empty)
    command.check(empty.alembic_config())
    command.downgrade(empty.alembic_config(), "base")
    assert {name for _, name, _ in schema(empty)} <= {"alembic_version", "sqlite_sequence"}
    command.upgrade(empty.alembic_config(), "head")
    assert schema(empty) == migrated
    command.check(empty.alembic_config())


def test_the_models_and_the_migrations_make_the_same_schema(
    empty: Database, database: Database
) -> None:
    Base.metadata.create_all(empty.engine)
    ours = {entry for entry in schema(database) if entry[1] != "alembic_version"}
    assert {name for _, name, _ in ours} >= {"posts", "ix_posts_published_id"}
    assert schema(empty) == ours


def test_alembic_by_hand_finds_no_drift(url: str, empty: Database, template: URL) -> None:
    command.upgrade(empty.alembic_config(), "head")
    assert template
    running = BLOG.start(BLOG.folder, "alembic", "check", BLOG_DATABASE_URL=url)
    code, out, err = finish(running)
    assert (code, "No new upgrade operations detected" in out) == (0, True), err


def test_many_migrations_at_once_all_succeed(url: str, tmp_path: Path, empty: Database) -> None:
    jobs = [
        BLOG.start(tmp_path, "blog_service.migrate", BLOG_DATABASE_URL=url) for _ in range(AT_ONCE)
    ]
    ended = [finish(job) for job in jobs]
    assert [code for code, _, _ in ended] == [0] * AT_ONCE, ended
    assert empty.check() == {"database": True, "schema": True}


def test_who_begins_with_a_new_file_waits_for_another_who_does(tmp_path: Path) -> None:
    file = tmp_path / "new.db"
    database = BLOG.database_at(make_url(f"sqlite:///{file}"))
    sqlite: Any = database.engine.dialect.loaded_dbapi
    with closing(sqlite.connect(file, isolation_level=None)) as other, ThreadPoolExecutor() as pool:
        other.execute("BEGIN IMMEDIATE")
        begun = pool.submit(database.create_schema, Base.metadata)
        with pytest.raises(TimeoutError):
            begun.result(0.5)
        other.execute("COMMIT")
        begun.result(10)
    assert database.check() == {"database": True, "schema": True}
    database.close()


def test_many_starters_at_once_on_an_empty_file_all_serve(tmp_path: Path) -> None:
    with ExitStack() as stack:
        starters = [BLOG.start(tmp_path, "blog_service") for _ in range(AT_ONCE)]
        for starter in starters:
            stack.enter_context(starter)
            stack.callback(starter.kill)
        for url in [await_url(starter) for starter in starters]:
            assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
            assert httpx.post(f"{url}/posts", json={"title": "x"}, trust_env=False).is_success
        assert len(httpx.get(f"{url}/posts/", trust_env=False).json()) == AT_ONCE


def test_a_migrated_database_is_left_alone_by_a_start(
    database_url: URL, database: Database
) -> None:
    before = schema(database)
    settings = BLOG.settings_for(database_url)
    with serving(BLOG.create_app(settings), settings) as url:
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    assert schema(database) == before


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
    with database.engine.begin() as connection:
        connection.execute(text(statement))
    settings = BLOG.settings_for(database_url)
    with serving(BLOG.create_app(settings), settings) as url:
        answer = httpx.get(f"{url}/readyz", trust_env=False)
    assert_not_ready(answer, database="up", schema="down")


def test_a_service_is_not_ready_on_a_schema_that_was_taken_down(url: str, empty: Database) -> None:
    command.upgrade(empty.alembic_config(), "head")
    command.downgrade(empty.alembic_config(), "base")
    settings = BLOG.settings_for(make_url(url))
    with serving(BLOG.create_app(settings), settings) as base_url:
        assert httpx.get(f"{base_url}/readyz", trust_env=False).status_code == 503
        assert httpx.get(f"{base_url}/livez", trust_env=False).status_code == 200
