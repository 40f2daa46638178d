"""Generating a revision by Alembic's command."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import URL

from chassis_testing.running import finish
from chassis_testing.service import Service, rendered


def assert_generated_revision_runs(service: Service, empty_url: URL, folder: Path) -> None:
    """Check that a revision of all models, as a developer generates it, runs as it comes.

    Nothing is left for `alembic check` and for ruff to say. The image has no ruff, so that the test
    is skipped there.
    """
    pytest.importorskip("ruff")
    versions = _copy_without_versions(service, folder)
    alembic = ("alembic", "-c", str(folder / "alembic.ini"))
    said = _run(service, empty_url, *alembic, "revision", "--autogenerate", "-m", "Create all")
    assert "E501" not in said, "what the formatter mends is no complaint"
    _run(service, empty_url, *alembic, "upgrade", "head")
    _run(service, empty_url, *alembic, "check")
    _run(service, empty_url, "ruff", "format", "--check", str(versions))
    _run(service, empty_url, "ruff", "check", str(versions))


def _copy_without_versions(service: Service, folder: Path) -> Path:
    """Copy what the command reads, and return the folder into which it writes."""
    shutil.copy(service.folder / "alembic.ini", folder)
    shutil.copy(service.folder.parent / "pyproject.toml", folder)  # the rules of ruff
    migrations = Path(service.package, "migrations")
    without = shutil.ignore_patterns("versions")
    shutil.copytree(service.folder / migrations, folder / migrations, ignore=without)
    versions = folder / migrations / "versions"
    versions.mkdir()
    return versions


def _run(service: Service, url: URL, *command: str) -> str:
    """Run a command as a developer does in the folder of the service; return what it says."""
    variable = {f"{service.prefix}DATABASE_URL": rendered(url)}
    code, out, err = finish(service.start(service.folder, *command, **variable))
    assert code == 0, f"{command}: {out}{err}"
    return out
