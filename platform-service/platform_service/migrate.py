"""`python -m platform_service.migrate` brings the database to the newest schema."""

from alembic import command

from platform_service.config import load_settings
from platform_service.database import alembic_config
from platform_service.logs import configure_logging

if __name__ == "__main__":
    load_settings()
    configure_logging()
    command.upgrade(alembic_config(), "head")
