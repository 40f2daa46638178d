"""The database of the service, and the session that a route gets."""

from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from chassis.database import Database, MakeEngine
from chassis.postgresql import make_postgresql_engine
from chassis.sqlite import make_sqlite_engine
from platform_service.config import Settings

MIGRATIONS = Path(__file__).parent / "migrations"
READERS = 2
WRITERS = 2


def make_database(settings: Settings) -> Database:
    """Return the database of the settings. Nothing is opened yet."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        make_engine: MakeEngine = partial(make_sqlite_engine, url)
    else:
        password_file = settings.database_password_file
        make_engine = partial(
            make_postgresql_engine, url, settings.part, password_file=password_file
        )
    return Database(make_engine, MIGRATIONS, readers=READERS, writers=WRITERS)


async def get_db(request: Request) -> Session:
    """Return the session of a request. `chassis.routes` begins, ends and closes it."""
    session: Session = request.app.state.database.session(request)
    return session


async def get_reader(request: Request) -> Session:
    """Return a session that only reads, whatever the method of the request."""
    session: Session = request.app.state.database.read_session()
    return session


Db = Annotated[Session, Depends(get_db)]
ReadOnlyDb = Annotated[Session, Depends(get_reader)]
