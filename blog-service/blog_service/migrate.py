"""`python -m blog_service.migrate` brings the database to the newest schema.

It also keeps a reserve of disk space beside the file.
"""

import chassis.signals  # noqa: F401 - first, for the time of the other imports
from blog_service.config import Settings
from blog_service.database import make_database
from blog_service.models import POST_SEARCH, Base, Post
from chassis.database import Database
from chassis.migrations import fill_published_at, migrate
from chassis.reserve import keep_reserve
from chassis.settings import load_settings
from chassis.sqlite import file_of


def fill_columns(database: Database) -> None:
    """Fill what the newest release has added."""
    fill_published_at(database, Post, Post.published)
    POST_SEARCH.fill(database)


if __name__ == "__main__":
    settings = load_settings(Settings)
    migrate(settings, make_database, Base.metadata, fill_columns)
    keep_reserve(file_of(settings.database_url).parent)
