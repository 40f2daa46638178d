"""Transactions: 503 for what is not stored for certain, 504 for what may be stored."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import httpx
import pytest
from sqlalchemy import event

from chassis import transactions
from chassis.database import Database
from chassis.transactions import TransactionThreads
from chassis_testing.fixtures import Sql
from chassis_testing.hanging import connections_at_work
from chassis_testing.problem import assert_problem
from chassis_testing.waiting import until

on_postgresql = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)

DIE = "PERFORM pg_terminate_backend(pg_backend_pid())"
RUN_OUT = "RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'"
NOTE = {"text": "x"}


def assert_not_stored(answer: httpx.Response, status: int = 503) -> None:
    assert_problem(answer, status)
    assert answer.headers.get("Retry-After") == ("1" if status == 503 else None)


def assert_in_doubt(answer: httpx.Response) -> None:
    assert_problem(answer, 504)
    assert "Retry-After" not in answer.headers


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Hold a lock that every writer waits for."""
    statement = {"postgresql": "LOCK TABLE notes", "sqlite": "DELETE FROM notes"}
    with database.engine.begin() as connection:
        connection.exec_driver_sql(statement[database.engine.dialect.name])
        yield


def test_a_write_that_waits_too_long_is_503_and_is_never_stored(
    client: httpx.Client, database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "SILENCE", 0.2)
    with locked(database):
        assert_not_stored(client.post("/notes/", json=NOTE))
    until(lambda: connections_at_work(database) == 0, "the end of the write")
    assert sql("SELECT count(*) FROM notes")[0] == (0,)


def test_a_commit_that_takes_too_long_is_504_without_an_invitation_to_repeat_it(
    client: httpx.Client, database: Database, sql: Sql
) -> None:
    client.post("/notes/", json=NOTE).raise_for_status()  # so that the connection is there
    ended = Event()

    def wait(_connection: object) -> None:
        ended.wait()

    event.listen(database.engine, "commit", wait)
    try:
        assert_in_doubt(client.post("/notes/", json=NOTE))
        assert_not_stored(client.post("/notes/", json=NOTE))  # it waits for the thread
    finally:
        ended.set()
        until(lambda: connections_at_work(database) == 0, "the end of the commit")
        event.remove(database.engine, "commit", wait)
    assert sql("SELECT count(*) FROM notes")[0] == (2,)


@contextmanager
def after_insert(sql: Sql, statement: str, *, at_commit: bool) -> Iterator[None]:
    """Make PostgreSQL run a statement after each insert of a note, or at its commit."""
    body = f"$$ BEGIN {statement}; RETURN NULL; END $$"
    sql(f"CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS {body}")
    when = "DEFERRABLE INITIALLY DEFERRED" if at_commit else ""
    sql(
        f"CREATE {'CONSTRAINT' if at_commit else ''} TRIGGER late AFTER INSERT ON notes {when} "
        "FOR EACH ROW EXECUTE FUNCTION late()"
    )
    yield
    sql("DROP TRIGGER late ON notes")


@on_postgresql
def test_a_connection_lost_before_the_commit_is_503(client: httpx.Client, sql: Sql) -> None:
    with after_insert(sql, DIE, at_commit=False):
        assert_not_stored(client.post("/notes/", json=NOTE))
    assert client.get("/notes/").json() == []


@on_postgresql
def test_a_connection_lost_during_the_commit_is_504(client: httpx.Client, sql: Sql) -> None:
    with after_insert(sql, DIE, at_commit=True):
        assert_in_doubt(client.post("/notes/", json=NOTE))
    assert client.post("/notes/", json=NOTE).status_code == 201


@on_postgresql
@pytest.mark.parametrize("at_commit", [True, False])
def test_a_full_disk_of_the_server_is_507_and_is_logged_once(
    client: httpx.Client, sql: Sql, caplog: pytest.LogCaptureFixture, *, at_commit: bool
) -> None:
    with after_insert(sql, RUN_OUT, at_commit=at_commit):
        for _ in range(3):
            assert_not_stored(client.post("/notes/", json=NOTE), 507)
        assert client.get("/readyz").json()["checks"]["storage"] == "down"
    assert client.get("/notes/").json() == []
    assert caplog.text.count("storage is full") == 1
    assert client.post("/notes/", json=NOTE).status_code == 201
    assert "storage" not in client.get("/readyz").json()["checks"]


class Lively(TransactionThreads):
    """Threads that always have just had a result for another request."""

    last_result = property(lambda _: time.monotonic(), lambda *_: None)


def seconds_of_waiting(threads: TransactionThreads) -> float:
    """Wait for a result that does not come, and return how long that took."""

    async def wait() -> float:
        began, running = time.monotonic(), asyncio.get_running_loop().create_future()
        patience = transactions._Patience(running, threads)
        with pytest.raises(asyncio.CancelledError):
            await running
        assert patience.is_over
        return time.monotonic() - began

    return asyncio.run(wait())


def test_a_request_waits_longer_while_others_have_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "SILENCE", 1)
    monkeypatch.setattr(transactions, "PATIENCE", 100)
    assert 1 <= seconds_of_waiting(TransactionThreads(1, "silent", may_write=False)) < 100
    monkeypatch.setattr(transactions, "PATIENCE", 2)
    assert seconds_of_waiting(Lively(1, "lively", may_write=False)) >= 2
