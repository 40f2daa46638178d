"""Migrations: Alembic in one transaction, for which other migrations wait."""

import sys
from collections.abc import Callable
from contextlib import closing

from alembic import command, context
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import OperationalError

from chassis.database import Database
from chassis.logs import configure_logging

LOCK = 7_205_759  # any number, the same for every migration of a database


def migrate(
    part: str,
    make_database: Callable[[], Database],
    fill: Callable[[Database], None] | None = None,
) -> None:
    """Bring the database to the newest schema, or end the process with one sentence.

    `fill` fills what is new, in transactions of its own, while the old code may be serving.
    """
    configure_logging(part)
    try:
        with closing(make_database()) as database:
            with database.engine.begin() as connection:
                command.upgrade(database.alembic_config(connection), "head")
            if fill:
                fill(database)
    except OperationalError as error:
        reason = str(error.orig).partition("\n")[0]
        sys.exit(f"{part}: the database cannot be migrated: {reason}")


def run_alembic(make_database: Callable[[], Database], metadata: MetaData) -> None:
    """Run what Alembic's command asks for, on its connection or on one of a new database."""
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _run(connection, metadata)
        return
    with closing(make_database()) as database, database.engine.begin() as connection:
        _run(connection, metadata)


def _run(connection: Connection, metadata: MetaData) -> None:
    if connection.dialect.name == "postgresql":  # on SQLite, BEGIN IMMEDIATE has locked the file
        # The limits on requests would end a migration too, or the wait for another one.
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET LOCAL {limit} = 0"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transactional_ddl=True,  # SQLite's is too, where the driver leaves BEGIN to the engine
    )
    with context.begin_transaction():
        context.run_migrations()
