"""Sessions: one request is one transaction, over before the answer leaves."""

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, nullcontext
from pathlib import Path
from threading import Lock
from typing import Protocol, Self

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import Request
from sqlalchemy import Connection, Engine, MetaData, event, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from chassis.affinity import shared_processor, use_any_processor
from chassis.transactions import TransactionThreads

logger = logging.getLogger(__name__)

OLD_SCHEMA = "its schema is missing or older than this code: run the migration"


class MakeEngine(Protocol):
    """A function that makes an engine, for statements that read or for transactions that write."""

    def __call__(self, *, connections: int, read_only: bool) -> Engine:
        """Return the engine."""


class Database:
    """Two engines on one database, their sessions, and the threads in which these work.

    `read_engine` runs each statement alone, which is one snapshot: a transaction around it would
    only add two round trips. `engine` does everything else. Few threads work for each, since more
    only contend for the interpreter; and no reader waits behind writers that wait for a lock. A
    pool has a connection for each thread and one for the health check or the start, so that nothing
    waits in it.
    """

    def __init__(
        self, make_engine: MakeEngine, migrations: Path, *, readers: int, writers: int
    ) -> None:
        self.read_engine = make_engine(connections=readers + 1, read_only=True)
        self.engine = make_engine(connections=writers + 1, read_only=False)
        self._migrations = migrations
        scripts = ScriptDirectory.from_config(self.alembic_config())
        self._head = scripts.get_current_head()
        self._known = {script.revision for script in scripts.walk_revisions()}
        self._read_threads = TransactionThreads(readers, "reader", may_write=False)
        self._write_threads = TransactionThreads(writers, "writer", may_write=True)
        # A session that only reads has nothing to flush, and need not look before each query.
        self.read_session = _sessionmaker(self.read_engine, self._read_threads, autoflush=False)
        snapshots = _with_snapshots(self.read_engine)
        self._snapshot_session = _sessionmaker(snapshots, self._read_threads, autoflush=False)
        self.write_session = _sessionmaker(self.engine, self._write_threads, autoflush=True)
        self._checking = Lock()
        self._fault = ""

    def session(self, request: Request) -> Session:
        """Return the session of a request. Only GET is certain to write nothing.

        A request that counts has a transaction, so that the count and the page agree.
        """
        if request.method != "GET":
            return self.write_session()
        if "count" in request.query_params:
            return self._snapshot_session()
        return self.read_session()

    @property
    def storage_is_full(self) -> bool:
        """True if there was no room for the last transaction that wrote."""
        return self._write_threads.storage_is_full

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        """Yield this database to a service that starts, and close it in the end.

        On PostgreSQL its threads share a processor with the event loop. On SQLite they do not,
        since SQLite computes in them without the interpreter.
        """
        is_sqlite = self.engine.dialect.name == "sqlite"
        together = nullcontext() if is_sqlite else shared_processor(self._thread_ids)
        with closing(self):
            async with together:
                yield self

    def _thread_ids(self) -> list[int]:
        return [*self._read_threads.native_ids, *self._write_threads.native_ids]

    def close(self) -> None:
        """Begin nothing more, and close every connection that is not in use."""
        for threads in (self._read_threads, self._write_threads):
            threads.close()
        self.read_engine.dispose()
        self.engine.dispose()

    def create_schema(self, metadata: MetaData) -> None:
        """Create the tables in an empty database and stamp it. Leave any other as it is."""
        with self.migration() as connection:  # on SQLite, other starters wait here
            if not inspect(connection).get_table_names():
                metadata.create_all(connection)
                command.stamp(self.alembic_config(connection), "head")
        self.engine.dispose()  # its busy_timeout is a migration's, too long for a request

    def migration(self) -> AbstractContextManager[Connection]:
        """Return a transaction that may wait and work for longer than one of a request."""
        return self.engine.execution_options(is_migration=True).begin()

    def check(self) -> dict[str, bool]:
        """Return whether the database answers and whether its schema has what this code needs.

        A check that timed out keeps its thread and its connection until the database answers.
        Until then every other check returns that the database is down, so that none takes the
        readers' connections. A fault is logged when it begins and when it ends.
        """
        if not self._checking.acquire(blocking=False):
            return {"database": False, "schema": False}
        use_any_processor()  # its thread lives long, and would stay where it was started
        answers, is_usable, fault = False, False, ""
        try:
            with self.read_engine.connect() as connection:  # waits for no writer
                revision = self.revision(connection)
            answers, is_usable = True, revision == self._head or self.is_ahead(revision)
            fault = "" if is_usable else OLD_SCHEMA
        except DBAPIError as error:
            fault = reason_of(error)
        finally:
            self._checking.release()
        self._log_change(fault)
        return {"database": answers, "schema": is_usable}

    def revision(self, connection: Connection) -> str | None:
        """Return Alembic's revision of the schema, or None if the database has none."""
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return revision

    def is_ahead(self, revision: str | None) -> bool:
        """Return whether the schema is that of a later release, whose revisions are unknown here.

        Migrations expand before they contract, so that this code works on it.
        """
        return revision is not None and revision not in self._known

    def _log_change(self, fault: str) -> None:
        if fault and fault != self._fault:
            logger.warning("the database is not ready: %s", fault)
        elif self._fault and not fault:
            logger.info("the database is ready")
        self._fault = fault

    def alembic_config(self, connection: Connection | None = None) -> Config:
        """Return Alembic's configuration, for an open connection or for one of its own."""
        config = Config()
        config.set_main_option("script_location", str(self._migrations).replace("%", "%%"))
        config.attributes["connection"] = connection
        return config


def _sessionmaker(
    engine: Engine, threads: TransactionThreads, *, autoflush: bool
) -> sessionmaker[Session]:
    return sessionmaker(
        engine, autoflush=autoflush, expire_on_commit=False, info={"threads": threads}
    )


def _with_snapshots(read_engine: Engine) -> Engine:
    """Return an engine on the same connections, whose statements see what the first one saw."""
    engine = read_engine.execution_options()
    event.listen(engine, "begin", _begin_snapshot)
    event.listen(engine, "commit", _end_snapshot)
    event.listen(engine, "rollback", _end_snapshot)
    return engine


def _begin_snapshot(connection: Connection) -> None:
    # Not by SQLAlchemy's isolation_level: to leave AUTOCOMMIT and come back, psycopg2 changes the
    # default of the whole session, which behind a pooler is another client's next.
    is_postgresql = connection.dialect.name == "postgresql"
    mode = " ISOLATION LEVEL REPEATABLE READ, READ ONLY" if is_postgresql else ""
    connection.exec_driver_sql(f"BEGIN{mode}")


def _end_snapshot(connection: Connection) -> None:
    # On SQLite the driver ends it. There is nothing to undo, whether it went well or not.
    if connection.dialect.name == "postgresql" and not connection.invalidated:
        connection.exec_driver_sql("COMMIT")


def reason_of(error: DBAPIError) -> str:
    """Return the first line of the driver's message."""
    return str(error.orig).partition("\n")[0]
