"""`python -m blog_service.migrate` brings the database to the newest schema."""

import sys

from alembic import command
from sqlalchemy.exc import OperationalError

from blog_service.config import load_settings
from blog_service.database import alembic_config
from blog_service.logs import configure_logging

if __name__ == "__main__":
    load_settings()
    configure_logging()
    try:
        command.upgrade(alembic_config(), "head")
    except OperationalError as error:
        reason = str(error.orig).partition("\n")[0]
        sys.exit(f"blog-service: the database cannot be migrated: {reason}")
