"""Migrations: up, down, no drift, many at once, and one sentence when one cannot run."""

import json
import re
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import sample
from alembic import command
from conftest import SAMPLE
from pooler import pooling
from sample import Base
from sqlalchemy import URL, text

from chassis import migrations, sqlite
from chassis.database import Database
from chassis.migrations import LOCK
from chassis_testing import postgres, schema
from chassis_testing.fixtures import Sql
from chassis_testing.running import finish
from chassis_testing.service import rendered

AT_ONCE = 4


def settings_of(url: URL) -> dict[str, str]:
    return {"SAMPLE_DATABASE_URL": rendered(url)}


def test_migrations_go_up_and_down_and_up_again_without_drift(empty: Database) -> None:
    schema.assert_reversible(empty)


def test_the_models_and_the_migrations_make_the_same_schema(
    empty: Database, database: Database
) -> None:
    schema.assert_equal(empty, Base.metadata, database)


def test_a_comparison_of_schemas_names_what_is_missing(
    empty: Database, database: Database, sql: Sql
) -> None:
    sql("DROP INDEX ix_notes_published_id")
    with pytest.raises(AssertionError, match="ix_notes_published_id"):
        schema.assert_equal(empty, Base.metadata, database)


def test_many_migrations_at_once_all_succeed(
    empty_url: URL, empty: Database, tmp_path: Path
) -> None:
    jobs = [
        SAMPLE.start(tmp_path, "sample", "migrate", **settings_of(empty_url))
        for _ in range(AT_ONCE)
    ]
    ended = [finish(job) for job in jobs]
    assert [code for code, _, _ in ended] == [0] * AT_ONCE, ended
    assert empty.check() == {"database": True, "schema": True}


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_two_migrations_do_not_wait_for_each_other_while_one_builds_an_index(
    empty_url: URL, empty: Database, tmp_path: Path
) -> None:
    with empty.migration() as connection:
        command.upgrade(empty.alembic_config(connection), "head")
        connection.execute(text("DROP INDEX ix_notes_search_words"))
    with empty.migration() as writer:  # for whose end the index waits
        writer.execute(text("INSERT INTO notes (text) VALUES ('A note')"))
        first = SAMPLE.start(tmp_path, "sample", "migrate", **settings_of(empty_url))
        building = "SELECT count(*) FROM pg_locks WHERE locktype = 'virtualxid' AND NOT granted"
        while not writer.scalar(text(building)):
            time.sleep(0.01)
            assert first.poll() is None
        second = SAMPLE.start(tmp_path, "sample", "migrate", **settings_of(empty_url))
        assert second.stdout
        while "transactional DDL" not in second.stdout.readline():
            assert second.poll() is None
        writer.execute(text("SELECT pg_sleep(1)"))
    ended = [finish(job) for job in (first, second)]
    assert [code for code, _, _ in ended] == [0, 0], ended
    is_valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"
    with empty.engine.begin() as connection:
        assert connection.scalar(text(is_valid), {"name": "ix_notes_search_words"})


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_migration_is_not_ended_by_the_limits_of_requests(
    empty_url: URL, empty: Database, tmp_path: Path
) -> None:
    with empty.engine.begin() as other:
        other.execute(text("SET LOCAL statement_timeout = 0"))
        other.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        other.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        job = SAMPLE.start(tmp_path, "sample", "migrate", **settings_of(empty_url))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not other.scalar(text(waiting)):
            assert job.poll() is None
        other.execute(text("SELECT pg_sleep(6)"))  # longer than a request's statement may take
    code, _, err = finish(job)
    assert code == 0, err


def migrate(tmp_path: Path, url: URL) -> tuple[int, str, str]:
    return finish(SAMPLE.start(tmp_path, "sample", "migrate", **settings_of(url)))


def assert_one_sentence(ended: tuple[int, str, str], words: str) -> None:
    code, _, err = ended
    assert code == 1
    assert re.fullmatch(r"sample: the database cannot be migrated: [^\n]+\n", err), err
    assert words in err


def test_a_migration_without_its_database_is_one_sentence(
    empty_url: URL, tmp_path: Path, engine: str
) -> None:
    if engine == "sqlite":
        assert_one_sentence(migrate(tmp_path, empty_url.set(database="/nowhere/x.db")), "unable")
    else:
        assert_one_sentence(migrate(tmp_path, empty_url.set(port=9)), "refused")
        assert_one_sentence(migrate(tmp_path, empty_url.set(password="wrong")), "authentication")
        assert_one_sentence(migrate(tmp_path, empty_url.set(database="none")), "does not exist")


def test_a_migration_of_tables_without_a_revision_is_one_sentence(
    database_url: URL, sql: Sql, tmp_path: Path
) -> None:
    sql("DROP TABLE alembic_version")
    assert_one_sentence(
        migrate(tmp_path, database_url), "it has the table idempotency_keys, but no"
    )


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_migration_and_a_start_on_a_file_that_is_no_database_are_one_sentence(
    empty_url: URL, tmp_path: Path
) -> None:
    Path(str(empty_url.database)).write_bytes(b"This is no database. " * 1000)
    assert_one_sentence(migrate(tmp_path, empty_url), "file is not a database")
    code, out, err = finish(SAMPLE.start(tmp_path, "sample", **settings_of(empty_url)))
    assert (code, err) == (3, "")
    lines = [json.loads(line) for line in out.splitlines()]
    [sentence] = [line["event"] for line in lines if line["level"] == "critical"]
    assert sentence == "the database cannot be used: file is not a database"
    assert "Traceback" not in out


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_migration_of_a_database_in_another_encoding_is_one_sentence(
    postgresql: URL, tmp_path: Path
) -> None:
    create = "CREATE DATABASE inkwell_latin ENCODING LATIN1 LOCALE 'C' LOCALE_PROVIDER libc"
    postgres.administer(
        postgresql,
        "DROP DATABASE IF EXISTS inkwell_latin",
        f"{create} TEMPLATE template0",
    )
    ended = migrate(tmp_path, postgresql.set(database="inkwell_latin"))
    assert_one_sentence(ended, "its encoding is LATIN1 and must be UTF8")
    postgres.administer(postgresql, "DROP DATABASE inkwell_latin")


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_migration_through_a_pooler_is_one_sentence(
    empty_url: URL, empty: Database, tmp_path: Path
) -> None:
    with pooling(empty_url) as url:
        assert_one_sentence(migrate(tmp_path, url), "a pooler such as PgBouncer is in front of it")
    assert empty.check() == {"database": True, "schema": False}


def migrate_here(settings: sample.Settings) -> None:
    """Run a migration in this process."""
    fill = sample.NOTE_SEARCH.fill
    migrations.migrate(settings, sample.make_database, sample.Base.metadata, fill)


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_migration_on_a_server_that_is_too_old_is_one_sentence(
    empty_url: URL, database_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "OLDEST", 1000)
    monkeypatch.setattr(migrations, "configure_logging", lambda *_: None)
    words = r"its server is PostgreSQL \d\d and must be 1000 or later$"
    for url in (empty_url, database_url):
        settings = sample.Settings(database_url=rendered(url))
        with pytest.raises(SystemExit, match=words):
            migrate_here(settings)


def test_the_schema_of_a_later_release_is_left_as_it_is(
    database_url: URL, database: Database, sql: Sql, tmp_path: Path
) -> None:
    sql("UPDATE alembic_version SET version_num = 'later'")
    before = schema.read(database)
    code, out, err = migrate(tmp_path, database_url)
    assert (code, err) == (0, "")
    [line] = [json.loads(line)["event"] for line in out.splitlines()]
    assert line == "revision later of a later release is there: nothing to migrate"
    assert schema.read(database) == before


def test_a_migration_logs_what_the_level_lets_through(empty_url: URL, tmp_path: Path) -> None:
    settings = settings_of(empty_url) | {"SAMPLE_LOG_LEVEL": "error"}
    assert finish(SAMPLE.start(tmp_path, "sample", "migrate", **settings)) == (0, "", "")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_migration_waits_longer_for_another_one_than_a_request_does(
    empty_url: URL, empty: Database, tmp_path: Path
) -> None:
    with empty.engine.begin():
        job = SAMPLE.start(tmp_path, "sample", "migrate", **settings_of(empty_url))
        with suppress(subprocess.TimeoutExpired):
            job.wait(sqlite.REQUEST_WAIT / 1000 + 2)
    assert finish(job)[0] == 0


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_migration_of_a_file_in_use_is_one_sentence(
    empty_url: URL, empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "MIGRATION_WAIT", 100)
    monkeypatch.setattr(migrations, "configure_logging", lambda *_: None)
    settings = sample.Settings(database_url=rendered(empty_url))
    words = "^sample: the database cannot be migrated: database is locked$"
    with empty.engine.begin(), pytest.raises(SystemExit, match=words):
        migrate_here(settings)


def test_alembic_by_hand_uses_the_database_of_the_settings(
    empty_url: URL, empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMPLE_DATABASE_URL", rendered(empty_url))
    command.upgrade(empty.alembic_config(), "head")
    assert empty.check() == {"database": True, "schema": True}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_start_leaves_a_migrated_database_as_it_is(
    database_url: URL, database: Database, tmp_path: Path
) -> None:
    before = schema.read(database)
    with SAMPLE.process(tmp_path, **settings_of(database_url)) as (_, url):
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    assert schema.read(database) == before
