"""Comparing schemas: of migrations that go up and down, and of the models."""

import re

from alembic import command
from sqlalchemy import MetaData, text

from chassis.database import Database

COLUMNS = """
    SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public'
"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
"""
CATALOG = {
    "sqlite": ["SELECT tbl_name, name, sql FROM sqlite_master WHERE sql IS NOT NULL"],
    "postgresql": [COLUMNS, INDEXES, CONSTRAINTS],
}


def read(database: Database) -> set[tuple[object, ...]]:
    """Return every row of the catalog about the service; a definition is the set of its lines."""
    rows: set[tuple[object, ...]] = set()
    with database.engine.connect() as connection:
        for query in CATALOG[database.engine.dialect.name]:
            for *names, definition in connection.execute(text(query)):
                if "alembic_version" not in names and "sqlite_sequence" not in names:
                    rows.add((*names, _lines(str(definition))))
    return rows


def _lines(definition: str) -> frozenset[str]:
    """Return the lines that define a table, as they are whether it was made at once or altered."""
    plain = re.sub(r"DEFAULT \((\w+)\)", r"DEFAULT \1", definition.replace('"', ""))
    return frozenset(re.split(r"\s*[\n,]\s*|\s+(?=CONSTRAINT )", plain.strip()))


def assert_reversible(empty: Database) -> None:
    """Check that migrations go up, down and up again, without drift from the models."""
    with empty.engine.begin() as connection:
        config = empty.alembic_config(connection)
        command.upgrade(config, "head")
        command.check(config)
    migrated = read(empty)
    with empty.engine.begin() as connection:
        command.downgrade(empty.alembic_config(connection), "base")
    assert read(empty) == set()
    with empty.engine.begin() as connection:
        command.upgrade(empty.alembic_config(connection), "head")
        command.check(empty.alembic_config(connection))
    assert read(empty) == migrated


def assert_equal(empty: Database, metadata: MetaData, migrated: Database) -> None:
    """Check that the models make the schema in an empty database that the migrations made."""
    metadata.create_all(empty.engine)
    assert read(empty) == read(migrated)
    assert {name for name, *_ in read(empty)} >= set(metadata.tables)
