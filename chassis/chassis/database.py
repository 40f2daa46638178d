"""Sessions: one request is one transaction, committed before the answer leaves."""

from pathlib import Path
from threading import Lock
from typing import Protocol

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import Request
from sqlalchemy import Connection, Engine, MetaData, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from chassis.transactions import Threads


class MakeEngine(Protocol):
    """A function that makes an engine, for statements that read or for transactions that write."""

    def __call__(self, *, connections: int, read_only: bool) -> Engine:
        """Return the engine."""


class Database:
    """Two engines on one database, their sessions, and the threads in which these work.

    `reader` runs each statement alone, which is one snapshot: a transaction around it would only
    add two round trips. `engine` does everything else. Few threads work for each, since more only
    contend for the interpreter; and no reader waits behind writers that wait for a lock. A pool
    has a connection for each thread and one for the health check or the start, so that nothing
    waits in it.
    """

    def __init__(
        self, make_engine: MakeEngine, migrations: Path, *, readers: int, writers: int
    ) -> None:
        self.reader = make_engine(connections=readers + 1, read_only=True)
        self.engine = make_engine(connections=writers + 1, read_only=False)
        self.migrations = migrations
        self._head = ScriptDirectory.from_config(self.alembic_config()).get_current_head()
        self._threads = (
            Threads(readers, "reader", may_write=False),
            Threads(writers, "writer", may_write=True),
        )
        snapshot = self.reader.execution_options(snapshot=True)  # a transaction, after all
        # A session that only reads has nothing to flush, and need not look before each query.
        self.readers = _sessions(self.reader, self._threads[0], autoflush=False)
        self._snapshots = _sessions(snapshot, self._threads[0], autoflush=False)
        self.writers = _sessions(self.engine, self._threads[1], autoflush=True)
        self._checking = Lock()

    def session(self, request: Request) -> Session:
        """Return the session of a request. Only GET is certain to write nothing.

        A request that counts has a transaction, so that the count and the page agree.
        """
        if request.method != "GET":
            return self.writers()
        return self._snapshots() if "count" in request.query_params else self.readers()

    @property
    def storage_is_full(self) -> bool:
        """Whether there was no room for the last transaction that wrote."""
        return self._threads[1].storage_is_full

    def close(self) -> None:
        """Begin nothing more, and close every connection that is not at work."""
        for threads in self._threads:
            threads.shutdown(wait=False, cancel_futures=True)
        self.reader.dispose()
        self.engine.dispose()

    def create_schema(self, metadata: MetaData) -> None:
        """Create the tables in an empty database and stamp it. Leave any other as it is."""
        with self.engine.begin() as connection:  # on SQLite, other starters wait here
            if not inspect(connection).get_table_names():
                metadata.create_all(connection)
                command.stamp(self.alembic_config(connection), "head")

    def check(self) -> dict[str, bool]:
        """Return whether the database answers and whether its schema is at Alembic's head.

        While one check waits for the database, all others return that it is down. They would
        take the connections of the readers.
        """
        if not self._checking.acquire(blocking=False):
            return {"database": False, "schema": False}
        try:
            with self.reader.connect() as connection:  # waits for no writer
                if not inspect(connection).has_table("alembic_version"):
                    return {"database": True, "schema": False}
                revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
        except DBAPIError:
            return {"database": False, "schema": False}
        finally:
            self._checking.release()
        return {"database": True, "schema": revision == self._head}

    def alembic_config(self, connection: Connection | None = None) -> Config:
        """Return Alembic's configuration, for an open connection or for one of its own."""
        config = Config()
        config.set_main_option("script_location", str(self.migrations).replace("%", "%%"))
        config.attributes["connection"] = connection
        return config


def _sessions(engine: Engine, threads: Threads, *, autoflush: bool) -> sessionmaker[Session]:
    return sessionmaker(
        engine, autoflush=autoflush, expire_on_commit=False, info={"threads": threads}
    )
