"""Migrations: without drift, the same schema as that of the models, and by hand."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from alembic import command
from conftest import PASSWORD, PLATFORM, User, Write, sign_in
from sqlalchemy import URL, text

from chassis.database import Database
from chassis_testing import schema
from chassis_testing.changes import assert_changed
from chassis_testing.fixtures import Sql
from chassis_testing.generating import assert_generated_revision_runs
from chassis_testing.later import code_before_newest_migration, expand
from chassis_testing.running import find_url, finish, serving
from chassis_testing.service import rendered
from platform_service.emails import email_key
from platform_service.migrate import fill_columns, fill_email_keys
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


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_generated_revision_of_an_empty_database_runs_as_it_comes(
    empty_url: URL, tmp_path: Path
) -> None:
    assert_generated_revision_runs(PLATFORM, empty_url, tmp_path)


def test_a_service_on_an_empty_database_is_ready_only_on_sqlite(
    empty_url: URL, empty: Database
) -> None:
    settings = PLATFORM.settings_for(empty_url)
    with serving(PLATFORM.create_app(settings), settings) as base_url:
        ready = httpx.get(f"{base_url}/readyz", trust_env=False).status_code
        assert httpx.get(f"{base_url}/livez", trust_env=False).status_code == 200
    on_sqlite = empty.engine.dialect.name == "sqlite"
    assert (ready, bool(schema.read(empty))) == ((200, True) if on_sqlite else (503, False))


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_job_that_waits_for_a_table_keeps_no_request_waiting(
    empty_url: URL, empty: Database
) -> None:
    with empty.migration() as connection:
        command.upgrade(empty.alembic_config(connection), "3b9d0c61a7f4")
    read = text("SELECT count(*) FROM articles")
    with empty.migration() as dump, empty.migration() as request:
        dump.execute(read)
        variables = {"PLATFORM_DATABASE_URL": rendered(empty_url)}
        job = PLATFORM.start(PLATFORM.folder, "platform_service.migrate", **variables)
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'relation' AND NOT granted"
        while not dump.scalar(text(waiting)):
            time.sleep(0.01)
            assert job.poll() is None
        request.execute(text("SET LOCAL statement_timeout = '30s'"))
        request.execute(read)
    code, _, err = finish(job)
    assert code == 0, err
    assert empty.check()["schema"]


@pytest.fixture
def add_as_1_1(sql: Sql, password_hash: str) -> Callable[[str], int]:
    """Adds a user as release 1.1 does, which writes no key."""

    def add(email: str) -> int:
        ((user_id,),) = sql(
            "INSERT INTO users (email, hashed_password) "
            f"VALUES ('{email}', '{password_hash}') RETURNING id"
        )
        assert isinstance(user_id, int)
        return user_id

    return add


def keys(sql: Sql) -> dict[str, str | None]:
    rows = sql("SELECT email, email_key FROM users ORDER BY id")
    return {str(row.email): row.email_key for row in rows}


def test_a_user_of_release_1_1_signs_in_before_and_after_the_keys_are_filled(
    client: httpx.Client, database: Database, sql: Sql, add_as_1_1: Callable[[str], int]
) -> None:
    add_as_1_1("Ann@example.com")
    add_as_1_1("ΣΟΦΌΣ@example.com")
    assert sign_in(client, "ann@EXAMPLE.com").status_code == 200
    assert (
        client.post("/users/", json={"email": "ANN@example.com", "password": PASSWORD}).status_code
        == 409
    )
    fill_email_keys(database)
    assert keys(sql) == {email: email_key(email) for email in keys(sql)}
    for email in ("ann@EXAMPLE.com", "σοφός@example.com"):
        assert sign_in(client, email).status_code == 200


def test_of_two_addresses_that_became_one_both_users_stay(
    client: httpx.Client,
    database: Database,
    sql: Sql,
    add_as_1_1: Callable[[str], int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    emails = ["straße@example.com", "bob@example.com", "STRASSE@example.com"]
    *_, later = [add_as_1_1(email) for email in emails]
    fill_email_keys(database)
    assert keys(sql) == {emails[0]: email_key(emails[0]), emails[1]: emails[1], emails[2]: None}
    assert [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    ] == [f"the e-mail of user {later} is also that of another one"]
    sql(f"UPDATE users SET is_active = false WHERE id = {later}")
    tried = (*emails, "strasse@example.com", "STRAßE@example.com")
    statuses = [sign_in(client, email).status_code for email in tried]
    assert statuses == [200, 200, 401, 401, 200]


def test_keys_are_filled_over_many_transactions(
    database: Database, sql: Sql, add_as_1_1: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform_service.migrate.ROWS", 2)
    for number in range(5):
        add_as_1_1(f"user{number}@example.com")
    fill_email_keys(database)
    assert None not in keys(sql).values()


def test_the_job_adds_the_keys_to_a_database_of_release_1_1(
    empty_url: URL, empty: Database, password_hash: str
) -> None:
    with empty.engine.begin() as connection:
        command.upgrade(empty.alembic_config(connection), "ef0b5f20ee73")
        connection.execute(
            text("INSERT INTO users (email, hashed_password) VALUES ('Ann@example.com', :hash)"),
            {"hash": password_hash},
        )
    for _ in range(2):
        job = PLATFORM.start(
            PLATFORM.folder, "platform_service.migrate", PLATFORM_DATABASE_URL=rendered(empty_url)
        )
        code, _, err = finish(job)
        assert code == 0, err
    with empty.engine.connect() as connection:
        keys = connection.scalars(text("SELECT email_key FROM users")).all()
    assert keys == ["ann@example.com"]


def use(client: httpx.Client) -> None:
    """Ask each route once, and write, change, read and remove rows of each table."""
    user = {"email": "carl@example.com", "password": PASSWORD}
    assert client.post("/users/", json=user).status_code == 201
    token = sign_in(client, user["email"]).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    carl = client.get("/users/me").json()
    assert client.get(f"/users/{carl['id']}").json() == carl
    assert carl in client.get("/users/?count=true").json()
    created = client.post("/articles/", json={"title": "x", "content": "y"})
    assert created.status_code == 201
    path = created.headers["Location"]
    changed = client.patch(path, json={"is_published": True}).json()
    assert_changed(changed, created.json(), {"is_published": True})
    assert client.get(path).json() == changed
    assert client.get("/articles/?count=true").json() == [changed]
    assert client.delete(path).status_code == 204
    assert client.get("/articles/").json() == []
    del client.headers["Authorization"]


def test_this_code_works_on_the_schema_of_a_later_release(
    client: httpx.Client, database: Database
) -> None:
    expand(database, "users", "articles")
    use(client)
    assert client.get("/readyz").status_code == 200


def test_the_code_before_the_newest_migration_works_on_the_schema_after_it(
    database_url: URL, tmp_path: Path
) -> None:
    versions = Path("platform_service", "migrations", "versions")
    folder = code_before_newest_migration(PLATFORM.folder, versions, tmp_path)
    variables = {
        "PLATFORM_DATABASE_URL": rendered(database_url),
        "PYTHONPATH": os.pathsep.join([str(folder), str(tmp_path / "chassis")]),
    }
    command = ("uvicorn", "platform_service.main:app", "--port", "0")
    with PLATFORM.start(tmp_path, *command, **variables) as running:
        try:
            url = find_url(running, running.stderr)
            with httpx.Client(base_url=url, trust_env=False, timeout=120) as client:
                use(client)
        finally:
            running.terminate()


def test_the_job_sets_when_something_was_published_by_a_release_that_did_not_say(
    database: Database,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
    ann: User,
    write_article: Write,
) -> None:
    monkeypatch.setattr("chassis.migrations.ROWS", 2)
    for is_published in (*[True] * 5, False):
        write_article(ann, is_published=is_published)
    sql("UPDATE articles SET published_at = NULL, version = 3")
    for _ in range(2):
        fill_columns(database)
    rows = sql(
        "SELECT published_at = created_at AS is_set, version, changed_at FROM articles ORDER BY id"
    )
    assert [tuple(row) for row in rows] == [*[(True, 4, None)] * 5, (None, 3, None)]
