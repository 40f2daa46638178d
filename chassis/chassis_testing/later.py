"""A database as the next release leaves it, and the code that the last release left behind."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from sqlalchemy import text

from chassis.database import Database


def expand(database: Database, *tables: str) -> None:
    """Change the schema as a later release may: the migration adds, and takes nothing away."""
    statements = [
        "UPDATE alembic_version SET version_num = 'later'",
        "CREATE TABLE later_things (id INTEGER PRIMARY KEY)",
    ]
    for table in tables:
        statements += [
            f"ALTER TABLE {table} ADD COLUMN later VARCHAR(10)",
            f"ALTER TABLE {table} ADD COLUMN later_count INTEGER DEFAULT 0 NOT NULL",
            f"CREATE INDEX ix_{table}_later ON {table} (later, id)",
        ]
    with database.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def code_before_newest_migration(part: Path, migrations: Path, to: Path) -> Path:
    """Unpack the part and the chassis as they were before the newest migration was added.

    The test is skipped where the history is missing, or has one migration only.
    """
    newest = _git(part, "log", "-1", "--diff-filter=A", "--no-renames", "--format=%H", migrations)
    before = f"{newest.decode().strip()}^"
    if not _git(part, "ls-tree", before, f"{migrations}/"):
        pytest.skip("there is one migration only")
    root = Path(_git(part, "rev-parse", "--show-toplevel").decode().strip())
    archive = _git(root, "archive", before, part.name, "chassis")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(to, filter="data")
    return to / part.name


def _git(folder: Path, *command: str | Path) -> bytes:
    try:
        done = subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the history of the repository is missing")
    return done.stdout
