"""`python -m platform_service.migrate` brings the database to the newest schema."""

from chassis.migrations import migrate
from chassis.settings import load_settings
from platform_service.config import PART, Settings
from platform_service.database import make_database

if __name__ == "__main__":
    settings = load_settings(Settings, PART)
    migrate(PART, lambda: make_database(settings.full_database_url))
