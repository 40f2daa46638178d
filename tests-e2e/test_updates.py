"""A new version: what is replaced, what goes on serving, and what a broken part keeps down."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.api import client
from support.deployment import LONG_RUNNING, PARTS, ROOT, Containers, running
from support.engine import inspected, name_of

SPOIL = "from pathlib import Path; Path('/data/blog.db').write_bytes(b'x' * 8192)"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of everything that the images are built from."""
    copy = tmp_path_factory.mktemp("checkout")
    for file in ("docker-compose.yml", "Makefile"):
        shutil.copy(ROOT / file, copy)
    for folder in ("chassis", *PARTS):
        shutil.copytree(ROOT / folder, copy / folder)
    return copy


@pytest.fixture(scope="module")
def updated(containers: Containers, checkout: Path) -> Iterator[Containers]:
    """A deployment of that checkout."""
    assert containers
    updated = Containers("updated", checkout)
    with running(updated):
        yield updated


def ids(containers: Containers) -> dict[str, str]:
    return {name_of(one): one["Id"] for one in inspected(containers.ids(*LONG_RUNNING))}


def test_an_up_with_nothing_changed_replaces_nothing(updated: Containers) -> None:
    before = ids(updated)
    updated.start()
    assert ids(updated) == before


def test_an_update_replaces_only_what_has_changed(updated: Containers, checkout: Path) -> None:
    with (checkout / "blog-service" / "blog_service" / "main.py").open("a") as module:
        module.write("# changed\n")
    before = ids(updated)
    updated.run("make", "up")
    after = ids(updated)
    assert {name for name in LONG_RUNNING if after[name] != before[name]} == {"blog-service"}


def test_a_failed_migration_leaves_everything_running_as_it_is(
    updated: Containers, checkout: Path
) -> None:
    migration = checkout / "platform-service" / "platform_service" / "migrate.py"
    good = migration.read_text()
    migration.write_text("raise SystemExit('this migration fails')\n")
    before = ids(updated)
    with pytest.raises(AssertionError, match="this migration fails"):
        updated.run("make", "up")
    migration.write_text(good)
    assert ids(updated) == before
    with client(updated) as api:
        assert api.get("/articles/").status_code == 200


def test_a_broken_part_is_named_and_keeps_no_other_down(updated: Containers) -> None:
    updated.compose("run", "--rm", "-T", "blog-migrate", "python", "-c", SPOIL)
    updated.compose("down")
    with pytest.raises(AssertionError, match="blog-"):
        updated.up()
    with client(updated) as api:
        assert api.get("/posts/").status_code == 503
        assert api.get("/articles/").status_code == 200
    sentence = "BLOG_DATABASE_URL names /data/blog.db, which is damaged: file is not a database.\n"
    assert sentence in updated.compose("logs", "--no-log-prefix", "blog-migrate")
