"""The database of the service, and the session that a route gets."""

from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from blog_service.config import Settings
from chassis.database import Database
from chassis.sqlite import make_sqlite_engine

MIGRATIONS = Path(__file__).parent / "migrations"
READERS = 2
WRITERS = 1  # SQLite has one write lock: waiting for this thread costs less than waiting for that


def make_database(settings: Settings) -> Database:
    """Return the database of the settings. Nothing is opened yet."""
    make_engine = partial(make_sqlite_engine, make_url(settings.database_url))
    return Database(make_engine, MIGRATIONS, readers=READERS, writers=WRITERS)


async def get_db(request: Request) -> Session:
    """Return the session of a request. `chassis.routes` begins, ends and closes it."""
    session: Session = request.app.state.database.session(request)
    return session


Db = Annotated[Session, Depends(get_db)]
