"""SQLite: every connection is set up, writers take turns, and a full disk is survived."""

import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import sample
from conftest import Write
from sqlalchemy import URL, Engine, event, text

from chassis import sqlite
from chassis.database import Database
from chassis.settings import PartSettings, load_settings
from chassis.sqlite import SqliteUrl, make_sqlite_engine
from chassis_testing.fixtures import Server, Sql, only
from chassis_testing.problem import assert_not_ready, assert_problem

pytestmark = only("sqlite")

PRAGMAS = [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 3000)]


class OnSqlite(PartSettings, env_prefix="SAMPLE_"):
    part = "sample"

    database_url: SqliteUrl


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nonsense", "is not a database URL such as sqlite:///./name.db"),
        ("sqlite://", "must name an SQLite file, such as sqlite:///./name.db"),
        ("sqlite:///:memory:", "must name an SQLite file, such as sqlite:///./name.db"),
        ("postgresql://me@localhost/name", "must name an SQLite file, such as sqlite:///./name.db"),
        (
            "sqlite:////nowhere/at/all/name.db",
            "lies in /nowhere/at/all, which is not a folder this process may write to",
        ),
    ],
)
def test_a_url_that_names_no_writable_sqlite_file_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, url: str, reason: str
) -> None:
    monkeypatch.setenv("SAMPLE_DATABASE_URL", url)
    with pytest.raises(
        SystemExit, match=f"^{re.escape(f'sample: SAMPLE_DATABASE_URL {reason}.')}$"
    ):
        load_settings(OnSqlite)


@pytest.mark.parametrize(("pragma", "value"), PRAGMAS)
def test_every_connection_is_set_up(database: Database, pragma: str, value: object) -> None:
    for engine in (database.read_engine, database.engine):
        with engine.connect() as connection:
            assert connection.scalar(text(f"PRAGMA {pragma}")) == value


def test_letters_beyond_ascii_have_lower_case(sql: Sql) -> None:
    assert sql("SELECT lower('ÉÑ')")[0] == ("éñ",)


def test_an_sqlite_that_can_corrupt_a_database_is_named_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "pysqlite3", None)  # as where there is no wheel of it
    monkeypatch.setattr(sqlite, "SAFE_SQLITE", (99,))
    sqlite.newest_sqlite.cache_clear()
    url = URL.create("sqlite", database=f"{tmp_path}/x.db")
    make_sqlite_engine(url, connections=1, read_only=True).dispose()
    assert "corrupt a database" in caplog.text
    sqlite.newest_sqlite.cache_clear()


def test_a_safe_sqlite_is_named_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sqlite, "SAFE_SQLITE", (3,))
    sqlite.newest_sqlite.cache_clear()
    url = URL.create("sqlite", database=f"{tmp_path}/x.db")
    make_sqlite_engine(url, connections=1, read_only=True).dispose()
    assert caplog.text == ""


def _on_connect(engine: Engine, statement: str) -> None:
    """Run a statement on every connection from now on."""

    def run(connection: Any, _record: object) -> None:
        connection.execute(statement)

    event.listen(engine, "connect", run)
    engine.dispose()


def test_a_lock_that_lasts_is_503_for_writers_alone(
    client: httpx.Client, database: Database
) -> None:
    _on_connect(database.engine, "PRAGMA busy_timeout = 0")
    with database.engine.begin():  # BEGIN IMMEDIATE
        answer = client.post("/notes/", json={"text": "x"})
        assert_problem(answer, 503)
        assert answer.headers["Retry-After"] == "1"
        assert client.get("/notes/").json() == []
        assert client.get("/readyz").status_code == 200
    assert client.post("/notes/", json={"text": "x"}).status_code == 201


def test_a_full_disk_is_507_for_writers_alone_and_keeps_what_was_there(
    client: httpx.Client, database: Database, write_note: Write, caplog: pytest.LogCaptureFixture
) -> None:
    note = write_note()
    # As many pages as there are already.
    _on_connect(database.engine, "PRAGMA max_page_count = 1")
    for _ in range(3):
        assert_problem(client.post("/notes/", json={"text": "y" * 100_000}), 507)
    assert client.get("/notes/").json() == [note]
    ready = client.get("/readyz")
    checks = {"database": "up", "schema": "up", "storage": "down"}
    assert (ready.status_code, ready.json()) == (200, {"status": "up", "checks": checks})
    assert caplog.text.count("storage is full") == 1
    _on_connect(database.engine, f"PRAGMA max_page_count = {2**31}")
    assert client.post("/notes/", json={"text": "y" * 100_000}).status_code == 201
    assert "storage" not in client.get("/readyz").json()["checks"]


def test_a_file_that_is_no_database_is_503_for_readiness_while_the_process_lives(
    client: httpx.Client, database: Database, database_url: URL
) -> None:
    for engine in (database.read_engine, database.engine):
        engine.dispose()  # an open connection has a part of the files in its memory
    Path(str(database_url.database)).write_bytes(b"This is no database. " * 1000)
    assert_not_ready(client.get("/readyz"), database="down", schema="down")
    assert client.get("/livez").status_code == 200


def test_a_starter_on_a_new_file_waits_for_another(tmp_path: Path) -> None:
    file = tmp_path / "new.db"
    database = sample.make_database(sample.Settings(database_url=f"sqlite:///{file}"))
    _on_connect(database.engine, "PRAGMA busy_timeout = 100000")
    driver: Any = database.engine.dialect.loaded_dbapi
    with closing(driver.connect(file, isolation_level=None)) as other, ThreadPoolExecutor() as pool:
        other.execute("BEGIN IMMEDIATE")
        begun = pool.submit(database.create_schema, sample.Base.metadata)
        with pytest.raises(TimeoutError):
            begun.result(0.5)
        other.execute("COMMIT")
        begun.result()
    assert database.check() == {"database": True, "schema": True}
    database.close()


class Busy:
    """A connection whose first statements SQLite refuses, as it does with a new file."""

    OperationalError = ZeroDivisionError

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals

    def execute(self, statement: str) -> None:
        assert statement == "PRAGMA journal_mode = WAL"
        self.refusals -= 1
        if self.refusals >= 0:
            raise self.OperationalError


def test_the_change_to_wal_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "WAL_SECONDS", 120)
    sqlite._enter_wal_mode(busy := Busy(3))
    assert busy.refusals == -1


def test_the_change_to_wal_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "WAL_SECONDS", 0)
    with pytest.raises(Busy.OperationalError):
        sqlite._enter_wal_mode(Busy(10**9))


def test_a_transaction_that_writes_waits_from_its_beginning(
    database: Database, server: Server
) -> None:
    assert server
    _on_connect(database.engine, "PRAGMA busy_timeout = 100000")
    with ThreadPoolExecutor(1) as pool:
        with database.engine.begin():
            started = time.monotonic()
            waiting = pool.submit(_begin_and_commit, database.engine)
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
        assert waiting.result() > started


def _begin_and_commit(engine: Engine) -> float:
    with engine.begin():
        return time.monotonic()
