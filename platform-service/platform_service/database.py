"""The engine and the sessions."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from platform_service.models import Base

P = ParamSpec("P")
T = TypeVar("T")

# Sessions that work at once, each in a thread and on a connection of its own; more than a few only
# contend for the interpreter. A request that waits for its turn waits in the event loop and holds
# nothing. The pool has a connection for each and one for the health check: nobody waits in it.
SESSIONS = 4
CONNECTIONS = SESSIONS + 1

OPTIONS: dict[str, Any] = {"max_overflow": 0, "hide_parameters": True}

# A database that does not answer must not hold a request for long: it gets 503 instead.
POSTGRESQL_OPTIONS: dict[str, Any] = {
    "connect_timeout": 2,  # seconds
    "tcp_user_timeout": 5000,  # milliseconds
    "application_name": "platform-service",
    "options": "-c timezone=UTC -c statement_timeout=5s -c idle_in_transaction_session_timeout=10s",
}


class Database:
    """The engine in two views: `writer` begins transactions, `reader` runs each statement alone."""

    def __init__(self, url: URL) -> None:
        self.reader: Engine
        self._is_sqlite = url.get_backend_name() == "sqlite"
        if self._is_sqlite:
            self.writer = create_engine(url, pool_size=CONNECTIONS, **OPTIONS)
            self.reader = self.writer.execution_options(read_only=True)
            event.listen(self.writer, "connect", _configure_sqlite)
            event.listen(self.writer, "begin", _begin_sqlite)
        else:
            # A pool each: to switch one connection between the two costs more than the query.
            postgresql = {"pool_size": CONNECTIONS, "connect_args": POSTGRESQL_OPTIONS, **OPTIONS}
            self.writer = create_engine(url, **postgresql)
            self.reader = create_engine(url, isolation_level="AUTOCOMMIT", **postgresql)
        self.sessions = CapacityLimiter(SESSIONS)
        self._head = ScriptDirectory.from_config(alembic_config()).get_current_head()

    def close(self) -> None:
        """Close every connection."""
        self.writer.dispose()
        self.reader.dispose()

    def create_sqlite_schema(self) -> None:
        """Create the tables in an empty SQLite file and stamp it; PostgreSQL is migrated."""
        if self._is_sqlite:
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
    reads_only = request.method in {"GET", "HEAD"}
    engine = database.reader if reads_only else database.writer
    with DbSession(engine, database.sessions) as session:
        yield session


async def get_reading_db(request: Request) -> AsyncIterator[DbSession]:
    """Hand out a session that only reads, whatever the request does."""
    database: Database = request.app.state.database
    with DbSession(database.reader, database.sessions) as session:
        yield session


Db = Annotated[DbSession, Depends(get_db)]
ReadingDb = Annotated[DbSession, Depends(get_reading_db)]


def alembic_config(connection: Connection | None = None) -> Config:
    """Configure Alembic for this package's migrations, on an open connection or on a new one."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing: _begin_sqlite does
    for pragma in (
        "busy_timeout = 10000",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that begins as a reader and then writes fails at once when another one wrote
    # in between; one that begins as a writer waits for its turn.
    if not connection.get_execution_options().get("read_only"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
