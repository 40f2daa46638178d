"""The database of the service, and the session that a route gets."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import URL
from sqlalchemy.orm import Session

from chassis.database import Database
from chassis.postgresql import make_postgresql_engine
from chassis.sqlite import make_sqlite_engine
from platform_service.config import PART

READERS = 2
WRITERS = 2
CONNECTIONS = READERS + WRITERS + 1


def make_database(url: URL) -> Database:
    """Return the database at this URL. Nothing is opened yet."""
    if url.get_backend_name() == "sqlite":
        engine = make_sqlite_engine(url, CONNECTIONS)
    else:
        engine = make_postgresql_engine(url, CONNECTIONS, application_name=PART)
    migrations = Path(__file__).parent / "migrations"
    return Database(engine, migrations, readers=READERS, writers=WRITERS)


async def get_db(request: Request) -> AsyncIterator[Session]:
    """Yield the session of a request. `chassis.routes` begins and ends its transaction."""
    yield request.app.state.database.session(request.method)


Db = Annotated[Session, Depends(get_db)]
