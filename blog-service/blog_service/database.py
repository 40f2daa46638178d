"""The engine and the sessions."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import Depends, Request
from sqlalchemy import Connection, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError

from blog_service.models import Base

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# Sessions that work at once, each in a thread and on a connection of its own. One writer: SQLite
# has one write lock, and who waits for it here waits in a queue and holds nothing. Few readers:
# more only contend for the interpreter. The pool has room for each and for the health check:
# nobody waits in it.
READERS = 2
WRITERS = 1
CONNECTIONS = READERS + WRITERS + 1

PATIENCE = 10  # seconds until a request that the database keeps waiting is answered with 503

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
        self._kept: list[Connection] = []
        self._is_closed = False
        self.reader_threads = ThreadPoolExecutor(READERS, "reader")
        self.writer_threads = ThreadPoolExecutor(WRITERS, "writer")
        event.listen(self.writer, "connect", _configure_connection)
        event.listen(self.writer, "begin", _begin)
        self._head = ScriptDirectory.from_config(alembic_config()).get_current_head()

    def close(self) -> None:
        """Begin nothing more, and close every connection that is not at work."""
        for threads in (self.reader_threads, self.writer_threads):
            threads.shutdown(wait=False, cancel_futures=True)
        self._is_closed = True
        self.close_kept()
        self.writer.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Lend a connection and keep it: taking one from the pool takes half as long as a query.

        When the database refuses something, none that was kept is trusted any more.
        """
        try:
            connection = self._kept.pop()
        except IndexError:
            connection = self.reader.connect()
            connection.detach()  # from the pool, so that to close it closes it
        try:
            yield connection
        except DBAPIError:
            connection.close()
            self.close_kept()
            raise
        finally:
            if not connection.closed:
                self._kept.append(connection)
            if self._is_closed:
                self.close_kept()

    def close_kept(self) -> None:
        """Close the connections that wait for their next reader."""
        with suppress(IndexError):  # another thread may take the last
            while True:
                self._kept.pop().close()

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


class DbSession:
    """What a request does with the database: crud functions, each in a thread.

    When `read` or `write` returns, the transaction is over and its connection is free, so that an
    answer never leaves before its commit and no request holds a connection while it waits.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a crud function that only reads: each statement runs alone, without BEGIN."""

        def reading() -> T:
            with self._database.reading() as connection:
                return work(connection, *args, **kwargs)

        return await _in_thread(self._database.reader_threads, reading)

    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a crud function: commit what it did, or roll back if it raises."""

        def transaction() -> T:
            with self._database.writer.begin() as connection:
                return work(connection, *args, **kwargs)

        return await _in_thread(self._database.writer_threads, transaction)


async def get_db(request: Request) -> AsyncIterator[DbSession]:
    """Hand out the session; nothing is left to do at the end, whatever it was used for."""
    yield DbSession(request.app.state.database)


Db = Annotated[DbSession, Depends(get_db)]


async def _in_thread(threads: Executor, work: Callable[[], T]) -> T:
    """Give what the work gives, or raise TimeoutError: it is then not begun, or goes on unheard."""
    work_here = copy_context().run  # so that what is logged there has the request's id
    async with asyncio.timeout(PATIENCE):
        return await asyncio.get_running_loop().run_in_executor(threads, work_here, work)


def alembic_config(connection: Connection | None = None) -> Config:
    """Configure Alembic for this package's migrations, on an open connection or on a new one."""
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
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
    for pragma in ("busy_timeout = 5000", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    _enter_wal_mode(connection)


def _enter_wal_mode(connection: Any) -> None:
    """Try for five seconds: of two who begin with a new file, SQLite refuses one at once."""
    give_up_at = time.monotonic() + 5
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except connection.OperationalError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)
        else:
            return


def _begin(connection: Connection) -> None:
    # A transaction that begins as a reader and then writes fails at once when another one wrote
    # in between; one that begins as a writer waits for its turn.
    if not connection.get_execution_options().get("read_only"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
