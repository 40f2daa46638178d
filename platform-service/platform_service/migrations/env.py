"""The entry point of Alembic: `alembic …` by hand, and `platform_service.migrate`."""

from chassis.migrations import run_alembic
from platform_service.config import Settings
from platform_service.database import make_database
from platform_service.models import Base

run_alembic(Settings, make_database, Base.metadata)
