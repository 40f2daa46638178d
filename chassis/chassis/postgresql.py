"""An engine for PostgreSQL, set up so that no request waits for long."""

import select
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

# A database that does not answer must not hold a request for long: the answer is 503 instead.
CONNECT_ARGS: dict[str, Any] = {
    "connect_timeout": 2,  # seconds
    "tcp_user_timeout": 5000,  # milliseconds
}
SETTINGS = "-c timezone=UTC -c statement_timeout=3s -c idle_in_transaction_session_timeout=10s"


def make_postgresql_engine(
    url: URL, application_name: str, *, connections: int, read_only: bool
) -> Engine:
    """Return an engine whose transactions may write, or one that runs each statement alone.

    It replaces connections that the server has closed.
    """
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT" if read_only else "READ COMMITTED",
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        connect_args=_connect_args(application_name, read_only=read_only),
    )
    event.listen(engine, "checkout", _refuse_closed)
    if read_only:
        event.listen(engine, "begin", _begin_snapshot)
        event.listen(engine, "commit", _end_snapshot)
        event.listen(engine, "rollback", _end_snapshot)
    return engine


def _connect_args(application_name: str, *, read_only: bool) -> dict[str, Any]:
    options = f"{SETTINGS} -c default_transaction_read_only=on" if read_only else SETTINGS
    return {**CONNECT_ARGS, "application_name": application_name, "options": options}


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Replace a connection that the server has closed, as a restart does.

    Unlike SQLAlchemy's pre-ping, the look at the socket is no round trip.
    """
    state = select.poll()
    state.register(connection, getattr(select, "POLLRDHUP", 0))  # 0: only Linux has it
    if state.poll(0):
        raise DisconnectionError


def _begin_snapshot(connection: Connection) -> None:
    # Not by SQLAlchemy's isolation_level: to leave AUTOCOMMIT and come back, psycopg2 changes the
    # default of the whole session, which behind a pooler is another client's next.
    if connection.get_execution_options().get("snapshot"):
        connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ")


def _end_snapshot(connection: Connection) -> None:
    # It has changed nothing, so that there is nothing to undo either.
    if connection.get_execution_options().get("snapshot") and not connection.invalidated:
        connection.exec_driver_sql("COMMIT")
