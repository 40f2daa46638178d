"""The engine and the sessions."""

import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from blog_service.models import Base

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# Sessions that work at once, each in a thread and on a connection of its own. One writer: SQLite
# has one write lock, and whoever waits for it here waits in the event loop and holds nothing.
# Readers: more than a few only contend for the interpreter. The pool has a connection for each
# and one for the health check: nobody waits in it.
READERS = 4
WRITERS = 1
CONNECTIONS = READERS + WRITERS + 1

# The first release without a rare race that corrupts a database in WAL mode at a checkpoint.
SAFE_SQLITE = (3, 51, 3)


class Database:
    """The engine in two views: `writer` begins transactions, `reader` runs each statement alone."""

    def __init__(self, url: str) -> None:
        self.writer = create_engine(
            url,
            module=_newest_sqlite(),
            pool_size=CONNECTIONS,
            max_overflow=0,
            hide_parameters=True,
        )
        self.reader = self.writer.execution_options(read_only=True)
        self.writers = CapacityLimiter(WRITERS)
        self.readers = CapacityLimiter(READERS)
        event.listen(self.writer, "connect", _configure_connection)
        event.listen(self.writer, "begin", _begin)
        self._head = ScriptDirectory.from_config(alembic_config()).get_current_head()

    def close(self) -> None:
        """Close every connection."""
        self.writer.dispose()

    def create_schema(self) -> None:
        """Create the tables in an empty database and stamp it; leave any other alone."""
        with self.writer.begin() as connection:  # BEGIN IMMEDIATE: other starters wait here
            if not inspect(connection).get_table_names():
                Base.metadata.create_all(connection)
                command.stamp(alembic_config(connection), "head")

    def check(self) -> dict[str, bool]:
        """Tell whether the database answers and whether its schema is at Alembic's head."""
        try:
            with self.reader.connect() as connection:
                if not inspect(connection).has_table("alembic_version"):
                    return {"database": True, "schema": False}
                revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
        except DBAPIError:
            return {"database": False, "schema": False}
        return {"database": True, "schema": revision == self._head}


class DbSession(Session):
    """The session of one request; its work runs in a thread, a transaction at a time."""

    def __init__(self, engine: Engine, threads: CapacityLimiter) -> None:
        super().__init__(engine)
        self._threads = threads

    async def run(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a crud function with this session: commit what it did, or roll back if it raises.

        When this returns, the transaction is over and its connection is free, so that an answer
        never leaves before its commit and no request holds a connection while it waits.
        """

        def transaction() -> T:
            with self.begin():
                return work(self, *args, **kwargs)

        return await to_thread.run_sync(transaction, limiter=self._threads)


async def get_db(request: Request) -> AsyncIterator[DbSession]:
    """Hand out the session: it does no I/O before `run`, and none is left to do at the end.

    A request that only reads runs each statement by itself, without BEGIN and COMMIT.
    """
    database: Database = request.app.state.database
    if request.method in {"GET", "HEAD"}:
        session = DbSession(database.reader, database.readers)
    else:
        session = DbSession(database.writer, database.writers)
    with session:
        yield session


Db = Annotated[DbSession, Depends(get_db)]


def alembic_config(connection: Connection | None = None) -> Config:
    """Configure Alembic for this package's migrations, on an open connection or on a new one."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _newest_sqlite() -> ModuleType:
    module: ModuleType = sqlite3
    try:
        import pysqlite3  # noqa: PLC0415 - it is not to be had on every platform
    except ImportError:
        pass
    else:
        module = max(sqlite3, pysqlite3, key=lambda driver: driver.sqlite_version_info)
    if module.sqlite_version_info < SAFE_SQLITE:
        logger.warning(
            "SQLite %s has a rare race that can corrupt a database; 3.51.3 has it mended",
            module.sqlite_version,
        )
    return module


def _configure_connection(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing: _begin does
    for pragma in (
        "busy_timeout = 10000",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # A transaction that begins as a reader and then writes fails at once when another one wrote
    # in between; one that begins as a writer waits for its turn.
    if not connection.get_execution_options().get("read_only"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
