"""An engine for PostgreSQL, set up so that no request waits for long."""

import re
import select
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Dialect,
    Engine,
    ExceptionContext,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, DisconnectionError

DRIVER = "postgresql+psycopg2"
RECYCLE_SECONDS = 15 * 60  # the age at which a connection is replaced before it is used
READ_ONLY = "25006"  # the SQLSTATE of a write on a server that has become a standby

WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE")

# A database that does not answer must not hold a request for long: the answer is 503 instead.
# A value in the URL's query takes precedence.
CONNECT_ARGS: dict[str, Any] = {
    "connect_timeout": 2,  # seconds
    "tcp_user_timeout": 5000,  # milliseconds
    "keepalives_idle": 5,  # seconds
    "options": "",  # else libpq sends PGOPTIONS, which a pooler refuses
}
# Settings of the role. A pooler such as PgBouncer refuses them from a client.
LIMITS = {
    "statement_timeout": "3s",
    "idle_in_transaction_session_timeout": "10s",
    # The sessions of a client that a cut of the network took away end within a minute. One that
    # idles ends too, but only after the time in which the pool would have replaced it.
    "tcp_keepalives_idle": "30s",
    "tcp_keepalives_interval": "10s",
    "tcp_keepalives_count": "3",
    "idle_session_timeout": f"{2 * RECYCLE_SECONDS}s",
}
_HOST = re.compile(r"\[?([^\]]*?)\]?(?::([^:\]]*))?$")  # an IPv6 address stands in brackets


def parse_url(value: str) -> URL:
    """Return the URL of a database, with psycopg2 as the driver of PostgreSQL.

    Several hosts may stand in it as libpq writes them: `postgresql://login@one:5432,two:5432/name`.

    Raises:
        ArgumentError: it is not a URL.
    """
    try:
        url = make_url(_with_hosts_in_query(value))
    except ValueError as error:  # a port that is no number
        raise ArgumentError(str(error)) from None
    known = {"postgres", "postgresql"}
    return url.set(drivername=DRIVER) if url.drivername in known else url


def _with_hosts_in_query(value: str) -> str:
    """Return a URL with its hosts, if it has several, where SQLAlchemy expects them."""
    address, _, query = value.partition("?")
    scheme, _, rest = address.partition("://")
    authority, _, name = rest.partition("/")
    login, at, hosts = authority.rpartition("@")
    if "," not in hosts:
        return value
    pairs = [_HOST.findall(host)[0] for host in hosts.split(",")]
    names, ports = (",".join(part) for part in zip(*pairs, strict=True))
    return f"{scheme}://{login}{at}/{name}?host={names}&port={ports}&{query}"


def make_postgresql_engine(
    url: URL,
    application_name: str,
    *,
    connections: int,
    read_only: bool,
    password_file: Path | None = None,
) -> Engine:
    """Return an engine whose transactions may write, or one that runs each statement alone.

    It replaces connections that the server has closed, and those to a server that refuses writes.
    Each new connection reads the password file.
    """
    arguments = {**CONNECT_ARGS, "application_name": application_name}
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT" if read_only else "READ COMMITTED",
        pool_size=connections,
        max_overflow=0,
        pool_recycle=RECYCLE_SECONDS,
        hide_parameters=True,
        skip_autocommit_rollback=read_only,
        connect_args={
            **{name: value for name, value in arguments.items() if name not in url.query},
            "client_encoding": "UTF8",  # whatever PGCLIENTENCODING says
        },
    )
    if password_file:
        event.listen(engine, "do_connect", _read_password(password_file))
    event.listen(engine, "connect", _use_utc)
    event.listen(engine, "checkout", _refuse_closed)
    event.listen(engine, "handle_error", _leave_read_only_server)
    if read_only:
        for execution in ("do_execute", "do_executemany"):
            event.listen(engine, execution, _refuse_writes)
    else:
        event.listen(engine, "begin", _lift_limits)
    return engine


def limit_role(connection: Connection) -> None:
    """Set the limits of the role for its later sessions in this database."""
    name = str(connection.scalar(text("SELECT current_database()")))
    database = connection.dialect.identifier_preparer.quote_identifier(name)
    for statement in limits_in(database):
        connection.exec_driver_sql(statement)


def limits_in(database: str) -> list[str]:
    """Return the statements that limit the role which runs them, in a database of this name."""
    role = f"ALTER ROLE CURRENT_ROLE IN DATABASE {database}"
    return [f"{role} SET {name} = '{value}'" for name, value in LIMITS.items()]


def _read_password(file: Path) -> Callable[..., None]:
    def read(dialect: Dialect, _record: object, _args: object, arguments: dict[str, Any]) -> None:
        try:
            arguments["password"] = file.read_text().strip()
        except (OSError, ValueError):
            reason = "the file with the password cannot be read"
            raise dialect.loaded_dbapi.OperationalError(reason) from None

    return read


def _use_utc(connection: Any, _record: object) -> None:
    """Set the time zone, whatever PGTZ says."""
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
    connection.commit()


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Replace a connection that the server has closed, as a restart does.

    Unlike SQLAlchemy's pre-ping, the look at the socket is no round trip.
    """
    state = select.poll()
    state.register(connection, getattr(select, "POLLRDHUP", 0))  # 0: only Linux has it
    if state.poll(0):
        raise DisconnectionError


def _leave_read_only_server(context: ExceptionContext) -> None:
    """Close a connection whose write was refused, so that the next one finds the primary."""
    if getattr(context.original_exception, "pgcode", None) == READ_ONLY:
        context.is_disconnect = True


def _refuse_writes(_cursor: object, statement: str, _values: object, context: Any) -> None:
    # The server could refuse them by a setting of the session, which a pooler would hand on.
    if statement.startswith(WRITES):
        driver = context.dialect.loaded_dbapi
        raise driver.InternalError("This statement may not stand in a read-only session.")


def _lift_limits(connection: Connection) -> None:
    # The limits on requests would end a migration too, or the wait for another one.
    if connection.get_execution_options().get("is_migration"):
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.exec_driver_sql(f"SET LOCAL {limit} = 0")


def version_of(connection: Connection) -> int:
    """Return the major version of the server, such as 18."""
    return int((connection.dialect.server_version_info or (0,))[0])
