"""`python -m blog_service.migrate` brings the database to the newest schema."""

from blog_service.config import PART, Settings
from blog_service.database import make_database
from chassis.migrations import migrate
from chassis.settings import load_settings

if __name__ == "__main__":
    settings = load_settings(Settings, PART)
    migrate(PART, lambda: make_database(settings.database_url))
