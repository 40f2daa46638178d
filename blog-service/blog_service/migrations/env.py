"""The entry point of Alembic: `alembic …` by hand, and `blog_service.migrate`."""

from blog_service.config import PART, Settings
from blog_service.database import make_database
from blog_service.models import Base
from chassis.migrations import run_alembic
from chassis.settings import load_settings

run_alembic(lambda: make_database(load_settings(Settings, PART).database_url), Base.metadata)
