"""`python -m blog_service.migrate` brings the database to the newest schema.

It also keeps a reserve of disk space beside the file.
"""

from pathlib import Path

from sqlalchemy import make_url

import chassis.signals  # noqa: F401 - first, for the time of the other imports
from blog_service.config import PART, Settings
from blog_service.database import make_database
from blog_service.models import Base
from chassis.migrations import migrate
from chassis.reserve import keep_reserve
from chassis.settings import load_settings

if __name__ == "__main__":
    settings = load_settings(Settings, PART)
    migrate(PART, lambda: make_database(settings.database_url), Base.metadata)
    keep_reserve(Path(str(make_url(settings.database_url).database)).parent)
