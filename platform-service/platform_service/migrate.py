"""`python -m platform_service.migrate` brings the database to the newest schema."""

import chassis.signals  # noqa: F401 - first, for the time of the other imports

# isort: split
import logging

from sqlalchemy import Connection, case, select, update
from sqlalchemy.exc import DataError, IntegrityError

from chassis.database import Database
from chassis.migrations import fill_published_at, migrate
from chassis.settings import load_settings
from platform_service.config import Settings
from platform_service.database import make_database
from platform_service.emails import email_key
from platform_service.models import ARTICLE_SEARCH, Article, Base, User

logger = logging.getLogger(__name__)

ROWS = 200  # of one transaction, so that no request waits for long


def fill_email_keys(database: Database) -> None:
    """Set the keys that are missing in rows that release 1.1 wrote, or still writes."""
    last: int | None = 0
    while last is not None:
        with database.migration() as connection:
            last = _fill_next_keys(connection, last)


def _fill_next_keys(connection: Connection, last: int) -> int | None:
    """Set the next keys; return the id of the last row, or None if there was no row.

    Where two addresses have become one, the lower id has the key and the other row stays without.
    """
    query = select(User.id, User.email).where(User.id > last, User.email_key.is_(None))
    rows = connection.execute(query.order_by(User.id).limit(ROWS)).all()
    keys: dict[int, str] = {row.id: email_key(row.email) for row in rows}
    if keys and not _set_keys(connection, keys):
        for user_id, key in keys.items():
            if not _set_keys(connection, {user_id: key}):
                logger.warning("the e-mail of user %d is also that of another one", user_id)
    return rows[-1].id if rows else None


def _set_keys(connection: Connection, keys: dict[int, str]) -> bool:
    """Set all of these keys, or none if one is taken or too long. Return whether they are set."""
    try:
        with connection.begin_nested():
            connection.execute(
                update(User).where(User.id.in_(keys)).values(email_key=case(keys, value=User.id))
            )
    except (DataError, IntegrityError):
        return False
    return True


def fill_columns(database: Database) -> None:
    """Fill what the newest releases have added."""
    fill_email_keys(database)
    fill_published_at(database, Article, Article.is_published)
    ARTICLE_SEARCH.fill(database)


if __name__ == "__main__":
    settings = load_settings(Settings)
    migrate(settings, make_database, Base.metadata, fill_columns)
