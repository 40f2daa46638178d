"""How Alembic reaches the database: in one transaction that other migrations wait for."""

from contextlib import closing

from alembic import context
from sqlalchemy import Connection, text

from platform_service.config import load_settings
from platform_service.database import Database
from platform_service.models import Base

MIGRATION_LOCK = 7_205_759  # any number, the same for all that migrate this database


def run(connection: Connection) -> None:
    """Run what the command asks for, inside the transaction that the connection has begun."""
    if connection.dialect.name == "postgresql":  # on SQLite, BEGIN IMMEDIATE has locked the file
        # What limits requests would end a migration, or the wait for another one, too.
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET LOCAL {limit} = 0"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transactional_ddl=True,  # SQLite can, when the driver leaves BEGIN to us
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    database = Database(load_settings().full_database_url)
    with closing(database), database.writer.begin() as connection:
        run(connection)
