"""`python -m blog_service.migrate` brings the database to the newest schema.

It also keeps a reserve of disk space beside the file.
"""

from pathlib import Path

from sqlalchemy import make_url

import chassis.signals  # noqa: F401 - first, for the time of the other imports
from blog_service.config import PART, Settings
from blog_service.database import make_database
from blog_service.models import POST_SEARCH, Base, Post
from chassis.database import Database
from chassis.migrations import fill_published_at, migrate
from chassis.reserve import keep_reserve
from chassis.settings import load_settings


def fill_columns(database: Database) -> None:
    """Fill what the newest release has added."""
    fill_published_at(database, Post, Post.published)
    POST_SEARCH.fill(database)


if __name__ == "__main__":
    settings = load_settings(Settings, PART)
    migrate(PART, lambda: make_database(settings.database_url), Base.metadata, fill_columns)
    keep_reserve(Path(str(make_url(settings.database_url).database)).parent)
