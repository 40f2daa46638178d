"""The database: no acknowledged write is lost, and none is acknowledged that was not stored."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from conftest import SAMPLE, Write
from sample import Base
from sqlalchemy import URL, inspect

from chassis.database import Database
from chassis_testing import postgres
from chassis_testing.fixtures import Sql
from chassis_testing.problem import assert_not_ready, assert_problem


def test_a_write_is_seen_by_the_next_reader(client: httpx.Client, write_note: Write) -> None:
    with httpx.Client(base_url=client.base_url, trust_env=False, timeout=120) as other:
        for number in range(50):
            note = write_note(f"{number}")
            assert other.get(f"/notes/{note['id']}").json() == note


def test_many_writers_at_once_lose_nothing(client: httpx.Client, sql: Sql) -> None:
    names = [f"{writer}-{turn}" for writer, turn in itertools.product(range(32), range(6))]

    def write(name: str) -> tuple[int, int]:
        created = client.post("/notes/", json={"text": name})
        changed = client.patch(created.headers["Location"], json={"text": f"{name}!"})
        return created.status_code, changed.status_code

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(write, names)) == {(201, 200)}
    assert sorted(row.text for row in sql("SELECT text FROM notes")) == sorted(
        f"{name}!" for name in names
    )


def test_a_reader_is_not_held_up_by_a_writer(
    client: httpx.Client, database: Database, write_note: Write
) -> None:
    note = write_note()
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM notes")
        assert client.get("/notes/").json() == [note]
    assert client.get("/notes/").json() == []


def test_a_constraint_violated_at_commit_is_409_and_nothing_is_stored(
    client: httpx.Client, sql: Sql, database: Database
) -> None:
    sql("CREATE TABLE links (note INTEGER REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED)")
    remove = _trigger(sql, database, "INSERT INTO links VALUES (-1)")
    assert_problem(client.post("/notes/", json={"text": "x"}), 409)
    assert client.get("/notes/").json() == []
    sql(remove)
    assert client.post("/notes/", json={"text": "x"}).status_code == 201


def _trigger(sql: Sql, database: Database, statement: str) -> str:
    """Run a statement after each insert of a note; return the statement that ends this."""
    if database.engine.dialect.name == "sqlite":
        sql(f"CREATE TRIGGER late AFTER INSERT ON notes BEGIN {statement}; END")
        return "DROP TRIGGER late"
    body = f"$$ BEGIN {statement}; RETURN NEW; END $$"
    sql(f"CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS {body}")
    sql("CREATE TRIGGER late AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION late()")
    return "DROP TRIGGER late ON notes"


def take_away(database: Database, url: URL) -> None:
    """Break every connection to the database, and make new ones impossible."""
    if database.engine.dialect.name == "postgresql":
        postgres.administer(
            url.set(database="postgres"),
            "ALTER DATABASE inkwell_test WITH ALLOW_CONNECTIONS false",
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
            "WHERE datname = 'inkwell_test'",
        )
    else:
        for engine in (database.read_engine, database.engine):
            engine.dispose()
        file = Path(str(url.database))
        file.rename(file.with_suffix(".away"))
        file.mkdir()


def bring_back(database: Database, url: URL) -> None:
    if database.engine.dialect.name == "postgresql":
        allowed = "ALTER DATABASE inkwell_test WITH ALLOW_CONNECTIONS true"
        postgres.administer(url.set(database="postgres"), allowed)
    else:
        file = Path(str(url.database))
        file.rmdir()
        file.with_suffix(".away").rename(file)


def open_several_connections(client: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        read, written = (
            pool.map(lambda _: client.get("/notes/").status_code, range(40)),
            pool.map(lambda _: client.post("/notes/", json={"text": "x"}).status_code, range(20)),
        )
        assert (set(read), set(written)) == ({200}, {201})
    assert client.get("/readyz").status_code == 200


def test_a_database_that_is_gone_is_503_and_the_service_is_well_once_it_is_back(
    client: httpx.Client, database: Database, database_url: URL
) -> None:
    open_several_connections(client)
    take_away(database, database_url)
    for _ in range(3):
        for answer in (client.get("/notes/"), client.post("/notes/", json={"text": "x"})):
            assert_problem(answer, 503)
            assert answer.headers["Retry-After"] == "1"
            assert "inkwell_test" not in answer.text
    assert_not_ready(client.get("/readyz"), database="down", schema="down")
    assert client.get("/livez").status_code == 200
    bring_back(database, database_url)
    open_several_connections(client)


def test_a_restart_of_the_database_between_two_requests_is_not_noticed(
    client: httpx.Client, database: Database, database_url: URL
) -> None:
    open_several_connections(client)
    take_away(database, database_url)
    bring_back(database, database_url)
    open_several_connections(client)


def test_a_schema_is_created_in_an_empty_database_and_in_no_other(empty_url: URL) -> None:
    database = SAMPLE.database_at(empty_url)
    assert database.check() == {"database": True, "schema": False}
    database.create_schema(Base.metadata)
    assert database.check() == {"database": True, "schema": True}
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE notes")
    database.create_schema(Base.metadata)
    with database.engine.connect() as connection:
        assert "notes" not in inspect(connection).get_table_names()
    database.close()


def test_a_closed_database_begins_nothing_more(database_url: URL) -> None:
    database = SAMPLE.database_at(database_url)
    database.close()
    for threads in (database._read_threads, database._write_threads):
        with pytest.raises(RuntimeError, match="closed"):
            threads.run(int)
