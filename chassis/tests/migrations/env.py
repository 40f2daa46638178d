"""The entry point of Alembic."""

from sample import Base, Settings, make_database

from chassis.migrations import run_alembic

run_alembic(Settings, make_database, Base.metadata)
