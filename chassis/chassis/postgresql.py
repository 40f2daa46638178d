"""An engine for PostgreSQL, set up so that no request waits for long."""

import select
from typing import Any

from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

# A database that does not answer must not hold a request for long: the answer is 503 instead.
CONNECT_ARGS: dict[str, Any] = {
    "connect_timeout": 2,  # seconds
    "tcp_user_timeout": 5000,  # milliseconds
    "options": "-c timezone=UTC -c statement_timeout=5s -c idle_in_transaction_session_timeout=10s",
}
BEGIN = "BEGIN; "
BEGIN_READ_ONLY = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "  # one snapshot


def make_postgresql_engine(url: URL, connections: int, application_name: str) -> Engine:
    """Return an engine whose transactions cost one round trip beside their statements.

    psycopg2 would send BEGIN by itself and wait for its answer. Here the driver is in autocommit,
    and BEGIN travels with the first statement of a transaction.
    """
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        connect_args={**CONNECT_ARGS, "application_name": application_name},
    )
    event.listen(engine, "connect", _set_autocommit)
    event.listen(engine, "checkout", _refuse_closed)
    event.listen(engine, "before_cursor_execute", _send_begin, retval=True)
    event.listen(engine, "commit", _commit)
    event.listen(engine, "rollback", _roll_back)
    return engine


def _set_autocommit(connection: Any, _record: object) -> None:
    connection.autocommit = True


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Have the pool open another connection if the server has closed this one, as a restart does.

    Unlike SQLAlchemy's pre-ping, the look at the socket is no round trip.
    """
    state = select.poll()
    state.register(connection, getattr(select, "POLLRDHUP", 0))  # 0: only Linux has it
    if state.poll(0):
        raise DisconnectionError


def _send_begin(
    connection: Connection, cursor: Any, statement: str, parameters: Any, *_: object
) -> tuple[str, Any]:
    if _is_idle(cursor.connection):
        is_read_only = connection.get_execution_options().get("read_only")
        statement = (BEGIN_READ_ONLY if is_read_only else BEGIN) + statement
    return statement, parameters


def _commit(connection: Connection) -> None:
    _end(connection, "COMMIT")


def _roll_back(connection: Connection) -> None:
    _end(connection, "ROLLBACK")


def _end(connection: Connection, statement: str) -> None:
    driver: Any = connection.connection.driver_connection
    if not (driver.closed or _is_idle(driver)):
        with driver.cursor() as cursor:
            cursor.execute(statement)


def _is_idle(driver: Any) -> bool:
    """Return whether the server knows of no transaction, as libpq has kept it in mind."""
    return bool(driver.info.transaction_status == TRANSACTION_STATUS_IDLE)
