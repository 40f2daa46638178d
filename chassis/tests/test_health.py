"""Health: alive without the database, ready with it and its schema, never cached."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from conftest import SAMPLE
from sqlalchemy import URL

from chassis.database import OLD_SCHEMA, Database
from chassis_testing.fixtures import Server, Sql
from chassis_testing.hanging import hanging
from chassis_testing.problem import assert_not_ready
from chassis_testing.waiting import until


def test_health_is_up_and_never_cached(client: httpx.Client) -> None:
    live, ready = client.get("/livez"), client.get("/readyz")
    assert live.json() == {"status": "up"}
    assert ready.json() == {"status": "up", "checks": {"database": "up", "schema": "up"}}
    assert {answer.headers["Cache-Control"] for answer in (live, ready)} == {"no-store"}


@pytest.fixture
def draining(server: Server) -> Iterator[None]:
    server[0].state.draining = True
    yield
    server[0].state.draining = False


@pytest.mark.usefixtures("draining")
def test_readiness_ends_with_draining_and_every_answer_closes_its_connection(
    client: httpx.Client,
) -> None:
    assert_not_ready(client.get("/readyz"), database="up", schema="up")
    assert client.get("/livez").status_code == 200
    assert client.get("/notes/").headers["Connection"] == "close"


@pytest.mark.parametrize("statement", ["DELETE FROM alembic_version", "DROP TABLE alembic_version"])
def test_a_service_is_not_ready_on_a_schema_without_a_revision(
    client: httpx.Client, sql: Sql, statement: str
) -> None:
    sql(statement)
    assert_not_ready(client.get("/readyz"), database="up", schema="down")


def test_a_service_is_not_ready_on_an_older_schema_and_ready_on_a_newer_one(
    client: httpx.Client, database: Database, sql: Sql
) -> None:
    [(head,)] = sql("SELECT version_num FROM alembic_version")
    database._head = "the next one"
    assert_not_ready(client.get("/readyz"), database="up", schema="down")
    database._head = head
    sql("UPDATE alembic_version SET version_num = 'of a later release'")
    assert client.get("/readyz").status_code == 200


def test_a_fault_of_the_database_is_logged_when_it_begins_and_when_it_ends(
    client: httpx.Client, sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "chassis.database")
    sql("ALTER TABLE alembic_version RENAME TO away")
    for _ in range(3):
        client.get("/readyz")
    sql("ALTER TABLE away RENAME TO alembic_version")
    for _ in range(3):
        client.get("/readyz")
    assert [text for name, _, text in caplog.record_tuples if name == "chassis.database"] == [
        f"the database is not ready: {OLD_SCHEMA}",
        "the database is ready",
    ]


def test_a_service_is_not_ready_without_its_database_and_lives_on(
    server: Server, empty_url: URL, tmp_path: Path
) -> None:
    nowhere = {"sqlite": str(tmp_path / "no" / "file"), "postgresql": "inkwell_nowhere"}
    url = empty_url.set(database=nowhere[empty_url.get_backend_name()])
    app, client = server
    unused, app.state.database = app.state.database, SAMPLE.database_at(url)
    assert_not_ready(client.get("/readyz"), database="down", schema="down")
    assert client.get("/livez").status_code == 200
    app.state.database.close()
    app.state.database = unused


def test_a_database_that_hangs_is_not_ready_in_time(
    client: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.health.CHECK_SECONDS", 0.2)
    with hanging(database):
        for _ in range(2):
            assert_not_ready(client.get("/readyz"), database="down", schema="down")
        assert client.get("/livez").status_code == 200
    monkeypatch.setattr("chassis.health.CHECK_SECONDS", 60)
    until(lambda: client.get("/readyz").status_code == 200, "the end of the check that hung")


def test_a_writer_at_work_leaves_a_service_ready(client: httpx.Client, database: Database) -> None:
    with database.engine.begin() as connection:  # on SQLite it holds the write lock
        connection.exec_driver_sql("DELETE FROM notes")
        assert client.get("/readyz").status_code == 200
