"""The entry point of Alembic: `alembic …` by hand, and `platform_service.migrate`."""

from chassis.migrations import run_alembic
from chassis.settings import load_settings
from platform_service.config import PART, Settings
from platform_service.database import make_database
from platform_service.models import Base

run_alembic(lambda: make_database(load_settings(Settings, PART)), Base.metadata)
