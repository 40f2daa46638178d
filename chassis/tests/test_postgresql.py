"""PostgreSQL: every connection is set up, and a closed one is replaced before it is used."""

import httpx
import pytest
from sqlalchemy import URL, event

from chassis.database import Database
from chassis_testing import postgres
from chassis_testing.fixtures import Sql, only
from chassis_testing.problem import assert_problem

pytestmark = only("postgresql")

SETTINGS = {
    "timezone": "UTC",
    "statement_timeout": "3s",
    "idle_in_transaction_session_timeout": "10s",
    "application_name": "sample",
}


@pytest.mark.parametrize(("name", "value"), SETTINGS.items())
def test_every_connection_is_set_up(sql: Sql, name: str, value: str) -> None:
    assert sql(f"SHOW {name}")[0] == (value,)


def test_only_a_get_that_counts_needs_a_transaction_to_see_one_snapshot(
    client: httpx.Client, database: Database
) -> None:
    seen: list[str] = []

    def look(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement.partition(" ")[0])

    event.listen(database.reader, "after_cursor_execute", look)
    client.get("/notes/")
    client.get("/notes/?count=true")
    client.get("/notes/")
    assert seen == ["SELECT", "BEGIN", "SELECT", "SELECT", "COMMIT", "SELECT"]


def test_a_snapshot_whose_connection_broke_leaves_nothing_behind(
    client: httpx.Client, database: Database, database_url: URL
) -> None:
    def terminate(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "count" in statement:
            postgres.administer(
                database_url.set(database="postgres"),
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
                "WHERE application_name = 'sample'",
            )

    event.listen(database.reader, "after_cursor_execute", terminate)
    assert_problem(client.get("/notes/?count=true"), 503)
    event.remove(database.reader, "after_cursor_execute", terminate)
    for _ in range(3):
        assert client.get("/notes/?count=true").status_code == 200


def test_a_connection_that_the_server_has_closed_is_replaced(
    client: httpx.Client, database_url: URL
) -> None:
    for _ in range(3):
        assert client.get("/notes/").status_code == 200
        assert client.post("/notes/", json={"text": "x"}).status_code == 201
        postgres.administer(
            database_url.set(database="postgres"),
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
            "WHERE application_name = 'sample'",
        )


def test_a_statement_that_takes_too_long_is_503(client: httpx.Client, database: Database) -> None:
    def hurry(connection: object, _record: object) -> None:
        with connection.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute("SET statement_timeout = 200")
        connection.commit()  # type: ignore[attr-defined]

    event.listen(database.reader, "connect", hurry)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE notes")
        assert_problem(client.get("/notes/"), 503)
    event.remove(database.reader, "connect", hurry)
    database.reader.dispose()
    assert client.get("/notes/").status_code == 200
