"""An engine for SQLite, set up for many requests at once."""

import logging
import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from pydantic import AfterValidator
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

logger = logging.getLogger(__name__)

# The first release without a rare race that corrupts a database in WAL mode at a checkpoint.
SAFE_SQLITE = (3, 51, 3)
WAL_SECONDS = 5
REQUEST_WAIT = 3_000  # milliseconds for another writer
MIGRATION_WAIT = 60_000  # for another migration


def make_sqlite_engine(url: URL, *, connections: int, read_only: bool) -> Engine:
    """Return an engine whose transactions may write, or one that runs each statement alone."""
    engine = create_engine(
        url,
        module=newest_sqlite(),
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _configure)
    if read_only:
        event.listen(engine, "connect", _refuse_writes)
    else:
        event.listen(engine, "begin", _begin_immediate)
        event.listen(engine, "begin", _note_time)  # after the wait for another writer
    return engine


def check_sqlite_url(value: str) -> str:
    """Return the URL, or raise ValueError.

    Its text is the rest of a sentence that begins with the variable's name.
    """
    try:
        url = make_url(value)
    except ArgumentError:
        raise ValueError("is not a database URL such as sqlite:///./name.db") from None
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise ValueError("must name an SQLite file, such as sqlite:///./name.db")
    file = file_of(value).resolve()
    if not os.access(file.parent, os.W_OK):
        raise ValueError(f"lies in {file.parent}, which is not a folder this process may write to")
    if file.exists() and (damage := _find_damage(file)):
        raise ValueError(f"names {file}, which is damaged: {damage}")
    return value


# The setting of a service whose database is an SQLite file.
SqliteUrl = Annotated[str, AfterValidator(check_sqlite_url)]


def file_of(url: str) -> Path:
    """Return the file that an SqliteUrl names."""
    return Path(str(make_url(url).database))


def _find_damage(file: Path) -> str | None:
    """Return what SQLite says of a file that is no database, or None."""
    try:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema")
    except sqlite3.OperationalError:  # it is in use, for example
        return None
    except sqlite3.DatabaseError as error:
        return str(error)
    return None


@cache
def newest_sqlite() -> ModuleType:
    """Return the newer one of Python's SQLite and pysqlite3's."""
    module: ModuleType = sqlite3
    try:
        import pysqlite3  # noqa: PLC0415 - not every platform has a wheel of it
    except ImportError:
        pass
    else:
        module = max(sqlite3, pysqlite3, key=lambda driver: driver.sqlite_version_info)
    if module.sqlite_version_info < SAFE_SQLITE:
        logger.warning(
            "SQLite %s has a rare race that can corrupt a database; 3.51.3 has none",
            module.sqlite_version,
        )
    return module


def _configure(connection: Any, record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver begins no transaction: listeners of "begin" do
    # SQLite's own lower() knows ASCII only.
    connection.create_function("lower", 1, str.lower, deterministic=True)
    connection.create_function("clock_timestamp", 0, _clock)
    # SQLite's own knows whole seconds only. The defaults of columns call this one too.
    connection.create_function(
        "current_timestamp", 0, lambda: record.info.get("began_at") or _clock()
    )
    for pragma in (f"busy_timeout = {REQUEST_WAIT}", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    _enter_wal_mode(connection)


def _clock() -> str:
    """Return the time in the one text that `chassis.models` has for a moment."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(" ")


def _note_time(connection: Connection) -> None:
    """Fix CURRENT_TIMESTAMP for the transaction, as PostgreSQL does."""
    connection.info["began_at"] = _clock()


def _refuse_writes(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def _enter_wal_mode(connection: Any) -> None:
    """Try for WAL_SECONDS. When two processes open a new file, SQLite refuses one at once."""
    give_up_at = time.monotonic() + WAL_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except connection.OperationalError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_immediate(connection: Connection) -> None:
    if connection.get_execution_options().get("is_migration"):
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {MIGRATION_WAIT}")
    # A transaction that begins as a reader and then writes fails at once if another one wrote in
    # between. A transaction that begins as a writer waits for its turn.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
