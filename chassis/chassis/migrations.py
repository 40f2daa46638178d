"""Migrations: Alembic in one transaction, for which other migrations wait."""

import logging
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, Literal

from alembic import command, context
from sqlalchemy import Connection, MetaData, Update, func, inspect, select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import InstrumentedAttribute

from chassis.database import Database, reason_of
from chassis.logs import configure_logging
from chassis.models import UtcDateTime
from chassis.postgresql import limit_role, version_of
from chassis.search_schema import SEARCH_WORDS
from chassis.settings import S, load_settings

logger = logging.getLogger(__name__)

ROWS = 5_000  # of one transaction, so that no request waits for long
OLDEST = 14  # PostgreSQL with idle_session_timeout, and functions with a body in plain SQL
LOCK = 7_205_759  # any number, the same for every migration of a database
FILL_LOCK = LOCK + 1
FILL_WAIT = 0.2  # seconds
TABLE_WAIT = "1s"  # for a table, since all requests for it wait behind the migration
TABLE_PAUSE = 2.0  # seconds until it is tried again
IN_THE_WAY = {"55P03", "40P01"}  # SQLSTATEs: no lock in time, and a deadlock


class RefusedError(Exception):
    """The reason why a database cannot be migrated."""


def migrate(
    settings: S,
    make_database: Callable[[S], Database],
    metadata: MetaData,
    fill: Callable[[Database], None],
) -> None:
    """Bring the database to the newest schema, or end the process with one sentence.

    The schema of a later release stays as it is. `fill` fills what is new, in transactions of its
    own, while the old code may be serving.
    """
    configure_logging(settings.part, settings.log_level)
    try:
        with closing(make_database(settings)) as database:
            if _upgrade_when_possible(database, metadata):
                _fill_alone(database, fill)
    except (RefusedError, DBAPIError) as error:
        reason = reason_of(error) if isinstance(error, DBAPIError) else error
        sys.exit(f"{settings.part}: the database cannot be migrated: {reason}")


def _upgrade_when_possible(database: Database, metadata: MetaData) -> bool:
    """Upgrade the schema as `_upgrade` does, once no other transaction uses its tables for long."""
    while True:
        try:
            with database.migration() as connection:
                return _upgrade(database, connection, metadata)
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) not in IN_THE_WAY:
                raise
            logger.warning("the migration will be tried again: %s", reason_of(error))
        time.sleep(TABLE_PAUSE)


def _upgrade(database: Database, connection: Connection, metadata: MetaData) -> bool:
    """Upgrade the schema; return False if it is that of a later release."""
    on_postgresql = connection.dialect.name == "postgresql"
    if on_postgresql:
        _refuse_pooler(connection)
        _refuse_old_server(connection)
    _wait_for_turn(connection)
    revision = database.revision(connection)
    if database.is_ahead(revision):
        logger.info("revision %s of a later release is there: nothing to migrate", revision)
        return False
    if revision is None:
        _refuse_another_encoding(connection)
        _refuse_tables(connection, metadata)
    if on_postgresql:
        connection.execute(text(f"SET LOCAL lock_timeout = '{TABLE_WAIT}'"))
    command.upgrade(database.alembic_config(connection), "head")
    if on_postgresql:
        limit_role(connection)
    return True


def _refuse_pooler(connection: Connection) -> None:
    # It may run each statement in another session, so that the limit on statements ends the
    # building of an index, and the session in which that limit was lifted serves requests.
    driver: Any = connection.connection.driver_connection
    if driver.info.backend_pid != connection.scalar(text("SELECT pg_backend_pid()")):
        raise RefusedError(
            "a pooler such as PgBouncer is in front of it; name the server itself for this job"
        )


def _refuse_old_server(connection: Connection) -> None:
    version = version_of(connection)
    if version < OLDEST:
        raise RefusedError(f"its server is PostgreSQL {version} and must be {OLDEST} or later")


def _wait_for_turn(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":  # on SQLite, BEGIN IMMEDIATE has locked the file
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))


def _refuse_another_encoding(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        encoding = connection.scalar(text("SHOW server_encoding"))
        if encoding != "UTF8":
            raise RefusedError(f"its encoding is {encoding} and must be UTF8")


def _refuse_tables(connection: Connection, metadata: MetaData) -> None:
    found = sorted(set(metadata.tables) & set(inspect(connection).get_table_names()))
    if found:
        raise RefusedError(
            f"it has the table {found[0]}, but no table alembic_version that names the revision "
            "of its schema; restore that too, or use an empty database"
        )


def _fill_alone(database: Database, fill: Callable[[Database], None]) -> None:
    """Fill what is new once no other job fills. On SQLite several may.

    A job that waits has no transaction meanwhile. An index that is built concurrently waits for
    the end of all others, so that the two jobs would wait for each other.
    """
    if database.engine.dialect.name == "sqlite":
        fill(database)
        return
    while True:
        with database.migration() as connection:
            if connection.scalar(text(f"SELECT pg_try_advisory_xact_lock({FILL_LOCK})")):
                fill(database)
                return
        time.sleep(FILL_WAIT)


def fill_published_at(
    database: Database, model: Any, published: InstrumentedAttribute[bool]
) -> None:
    """Set `published_at` of rows that a release without this column wrote, or still writes."""
    times = {
        model.published_at: model.created_at,
        model.version: model.version + 1,
        model.changed_at: model.changed_at,  # nobody has changed it
    }
    missing = update(model).where(published, model.published_at.is_(None))
    _update_in_steps(database, model.id, missing.values(times))


def _update_in_steps(
    database: Database, key: InstrumentedAttribute[int], statement: Update
) -> None:
    """Run an UPDATE for ROWS rows at a time, each time in a transaction of its own."""
    with database.read_engine.connect() as connection:
        last = connection.scalar(select(func.max(key))) or 0
    for before in range(0, last, ROWS):
        with database.migration() as connection:
            connection.execute(statement.where(key.between(before + 1, before + ROWS)))


def run_alembic(
    settings: type[S], make_database: Callable[[S], Database], metadata: MetaData
) -> None:
    """Run what Alembic's command asks for, on its connection or on a new one."""
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _run(connection, metadata)
        return
    database = make_database(load_settings(settings))
    with closing(database), database.migration() as connection:
        _wait_for_turn(connection)
        _run(connection, metadata)


def _run(connection: Connection, metadata: MetaData) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=_is_of_models,
        render_item=_render,
        transactional_ddl=True,  # SQLite's is, too, since the driver leaves BEGIN to the engine
    )
    with context.begin_transaction():
        context.run_migrations()


def _is_of_models(name: str | None, *_rest: object) -> bool:
    # The models do not have what `chassis.search_upkeep` creates.
    return SEARCH_WORDS not in (name or "")


def _render(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Return how a generated revision names a type, or False for Alembic's own way.

    A migration is frozen, so that it names what the type is in the database.
    """
    is_moment = kind == "type" and isinstance(item, UtcDateTime)
    return "sa.DateTime(timezone=True)" if is_moment else False
