"""The entry point of Alembic."""

from sample import PART, Base, Settings, make_database

from chassis.migrations import run_alembic
from chassis.settings import load_settings

run_alembic(lambda: make_database(load_settings(Settings, PART)), Base.metadata)
