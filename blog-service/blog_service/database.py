"""The database of the service, and the session that a route gets."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from chassis.database import Database
from chassis.sqlite import make_sqlite_engine

READERS = 2
WRITERS = 1  # SQLite has one write lock: waiting for this thread costs less than waiting for that


def make_database(url: str) -> Database:
    """Return the database at this URL. Nothing is opened yet."""
    engine = make_sqlite_engine(make_url(url), READERS + WRITERS + 1)
    migrations = Path(__file__).parent / "migrations"
    return Database(engine, migrations, readers=READERS, writers=WRITERS)


async def get_db(request: Request) -> AsyncIterator[Session]:
    """Yield the session of a request. `chassis.routes` begins and ends its transaction."""
    yield request.app.state.database.session(request.method)


Db = Annotated[Session, Depends(get_db)]
