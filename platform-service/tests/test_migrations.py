"""Migrations: without drift, the same schema as that of the models, and by hand."""

import httpx
import pytest
from conftest import PLATFORM
from sqlalchemy import URL

from chassis.database import Database
from chassis_testing import schema
from chassis_testing.running import finish, serving
from chassis_testing.service import rendered
from platform_service.models import Base

# SQLite cannot show such an index to Alembic; the comparison of the two schemas below does.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Skipped unsupported reflection of expression-based index",
    "ignore:autogenerate skipping metadata-specified expression-based index",
)


def test_migrations_go_up_and_down_and_up_again_without_drift(empty: Database) -> None:
    schema.assert_reversible(empty)


def test_the_models_and_the_migrations_make_the_same_schema(
    empty: Database, database: Database
) -> None:
    schema.assert_equal(empty, Base.metadata, database)
    assert "uq_users_email_lower" in {name for _, name, *_ in schema.read(empty)}


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_job_migrates_and_alembic_by_hand_finds_no_drift(empty_url: URL) -> None:
    variables = {"PLATFORM_DATABASE_URL": rendered(empty_url)}
    code, _, err = finish(PLATFORM.start(PLATFORM.folder, "platform_service.migrate", **variables))
    assert code == 0, err
    code, out, err = finish(
        PLATFORM.start(PLATFORM.folder, "alembic", "check", PYTHONPATH="", **variables)
    )
    assert (code, "No new upgrade operations detected" in out) == (0, True), err


def test_a_service_on_an_empty_database_is_ready_only_on_sqlite(
    empty_url: URL, empty: Database
) -> None:
    settings = PLATFORM.settings_for(empty_url)
    with serving(PLATFORM.create_app(settings), settings) as base_url:
        ready = httpx.get(f"{base_url}/readyz", trust_env=False).status_code
        assert httpx.get(f"{base_url}/livez", trust_env=False).status_code == 200
    on_sqlite = empty.engine.dialect.name == "sqlite"
    assert (ready, bool(schema.read(empty))) == ((200, True) if on_sqlite else (503, False))
