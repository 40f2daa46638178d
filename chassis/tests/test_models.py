"""Pieces of models: moments in UTC on every database."""

from datetime import UTC, datetime, timedelta

import httpx
from conftest import Write
from sample import Note
from sqlalchemy import func, select
from sqlalchemy.dialects import sqlite

from chassis.database import Database
from chassis.models import NOW, UtcDateTime
from chassis_testing.fixtures import Sql

MOMENT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def test_a_moment_without_a_time_zone_is_in_utc() -> None:
    read = UtcDateTime().process_result_value
    assert read(MOMENT.replace(tzinfo=None), sqlite.dialect()) == MOMENT
    assert read(MOMENT, sqlite.dialect()) == MOMENT
    assert read(None, sqlite.dialect()) is None


def test_a_moment_that_the_database_sets_is_now_and_shown_in_utc(
    write_note: Write,
) -> None:
    shown = write_note()["created_at"]
    assert shown.endswith("Z")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(shown)) < timedelta(minutes=5)


def test_the_clock_of_the_database_has_fractions_of_a_second_and_goes_on(
    database: Database,
) -> None:
    with database.write_session() as db:  # one transaction
        moments = [db.scalars(select(NOW)).one() for _ in range(3)]
    assert moments == sorted(set(moments))
    assert {moment.tzinfo for moment in moments} == {UTC}
    assert abs(datetime.now(UTC) - moments[0]) < timedelta(minutes=5)


def test_a_transaction_has_one_time_and_the_next_one_a_later_time(database: Database) -> None:
    moments: list[datetime] = []
    for _ in range(3):
        with database.write_session() as db:
            first, again = [db.scalars(select(func.now(type_=UtcDateTime))).one() for _ in range(2)]
        assert first == again
        moments.append(first)
    assert moments == sorted(set(moments))
    assert abs(datetime.now(UTC) - moments[0]) < timedelta(minutes=5)


def test_rows_that_plain_sql_adds_have_the_time_of_their_transaction(sql: Sql) -> None:
    for number in range(3):
        sql(f"INSERT INTO notes (text) VALUES ('{number}')")
    rows = sql("SELECT created_at FROM notes ORDER BY id")
    assert rows == sorted(set(rows))
    sql("INSERT INTO notes (text) VALUES ('3'), ('4')")
    assert len(sql("SELECT DISTINCT created_at FROM notes")) == len(rows) + 1


def test_each_change_is_counted_and_has_its_time(
    client: httpx.Client, write_note: Write, sql: Sql
) -> None:
    def version() -> object:
        return sql("SELECT version FROM notes")[0].version

    note = write_note(text="First")
    path = f"/notes/{note['id']}"
    assert (note["updated_at"], version()) == (note["created_at"], 1)
    sql("UPDATE notes SET created_at = '2026-11-28 12:00:00'")
    changed = client.patch(path, json={"text": "Second"}).json()
    assert changed["updated_at"] > client.get(path).json()["created_at"]
    assert (client.get(path).json(), version()) == (changed, 2)
    assert client.get("/notes/").json() == [changed]
    for nothing in ({}, {"text": "Second"}):
        assert client.patch(path, json=nothing).json() == changed
    assert version() == 2


def test_a_row_has_the_time_at_which_it_was_published_first(database: Database) -> None:
    note = Note(text="A note", published=False)
    times: list[datetime | None] = []
    for published in (False, True, False, True):
        with database.write_session.begin() as db:
            db.add(note)
            note.published = published
        times.append(note.published_at)
    assert times == [None, times[1], times[1], times[1]]
    assert times[1]
    assert note.updated_at > times[1]
