"""Migrations: without drift, the same schema as that of the models, and by hand."""

from pathlib import Path

import httpx
import pytest
from conftest import BLOG, Write
from sqlalchemy import URL

from blog_service.migrate import fill_columns
from blog_service.models import Base
from chassis.database import Database
from chassis_testing import schema
from chassis_testing.changes import assert_changed
from chassis_testing.fixtures import Sql
from chassis_testing.generating import assert_generated_revision_runs
from chassis_testing.later import expand
from chassis_testing.running import finish
from chassis_testing.service import rendered


def test_migrations_go_up_and_down_and_up_again_without_drift(empty: Database) -> None:
    schema.assert_reversible(empty)


def test_the_models_and_the_migrations_make_the_same_schema(
    empty: Database, database: Database
) -> None:
    schema.assert_equal(empty, Base.metadata, database)


def test_a_job_migrates_and_alembic_by_hand_finds_no_drift(empty_url: URL) -> None:
    variables = {"BLOG_DATABASE_URL": rendered(empty_url)}
    code, _, err = finish(BLOG.start(BLOG.folder, "blog_service.migrate", **variables))
    assert code == 0, err
    assert Path(str(empty_url.database)).with_name("reserve").exists()
    code, out, err = finish(BLOG.start(BLOG.folder, "alembic", "check", PYTHONPATH="", **variables))
    assert (code, "No new upgrade operations detected" in out) == (0, True), err


def test_a_generated_revision_of_an_empty_database_runs_as_it_comes(
    empty_url: URL, tmp_path: Path
) -> None:
    assert_generated_revision_runs(BLOG, empty_url, tmp_path)


def test_this_code_works_on_the_schema_of_a_later_release(
    client: httpx.Client, database: Database, write_post: Write
) -> None:
    expand(database, "posts")
    post = write_post(body="Some text")
    path = f"/posts/{post['id']}"
    changed = client.patch(path, json={"published": True}).json()
    assert_changed(changed, post, {"published": True})
    assert client.get(path).json() == changed
    assert client.get("/posts/?count=true").json() == [changed]
    assert client.delete(path).status_code == 204
    assert client.get("/posts/").json() == []
    assert client.get("/readyz").status_code == 200


def test_the_job_sets_when_something_was_published_by_a_release_that_did_not_say(
    database: Database,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
    write_post: Write,
) -> None:
    monkeypatch.setattr("chassis.migrations.ROWS", 2)
    for published in (*[True] * 5, False):
        write_post(published=published)
    sql("UPDATE posts SET published_at = NULL, version = 3")
    for _ in range(2):
        fill_columns(database)
    rows = sql(
        "SELECT published_at = created_at AS is_set, version, changed_at FROM posts ORDER BY id"
    )
    assert [tuple(row) for row in rows] == [*[(True, 4, None)] * 5, (None, 3, None)]
