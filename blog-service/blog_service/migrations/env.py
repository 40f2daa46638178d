"""How Alembic reaches the database: in one transaction that other migrations wait for."""

from contextlib import closing

from alembic import context
from sqlalchemy import Connection

from blog_service.config import load_settings
from blog_service.database import Database
from blog_service.models import Base


def run(connection: Connection) -> None:
    """Run what the command asks for, inside the transaction that the connection has begun."""
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
    database = Database(load_settings().database_url)
    with closing(database), database.writer.begin() as connection:
        run(connection)
