"""The entry point of Alembic: `alembic …` by hand, and `blog_service.migrate`."""

from blog_service.config import Settings
from blog_service.database import make_database
from blog_service.models import Base
from chassis.migrations import run_alembic

run_alembic(Settings, make_database, Base.metadata)
