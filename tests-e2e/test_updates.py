"""A new version: what is replaced, what goes on serving, and what a broken part keeps down."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.api import client
from support.deployment import LONG_RUNNING, PARTS, ROOT, Containers, running
from support.engine import docker, inspected, name_of

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


def images(containers: Containers) -> dict[str, str]:
    """Return the id of the image that each part would start from now."""
    services = json.loads(containers.compose("config", "--format", "json"))["services"]
    tags = {name: services[name]["image"] for name in LONG_RUNNING}
    assert len(set(tags.values())) == len(tags), "two parts build one tag, and take it in turns"
    return {name: docker("image", "inspect", "--format", "{{.Id}}", tags[name]) for name in tags}


def different(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in LONG_RUNNING if after[name] != before[name]}


# A build that changes nothing may take another one of two equal steps from the cache, so that an
# image has another id. The parts that are replaced are told by the images, not by the sources.


def test_an_up_with_nothing_changed_replaces_nothing(updated: Containers) -> None:
    before, built = ids(updated), images(updated)
    updated.up()
    assert ids(updated) == before
    updated.start()
    assert different(before, ids(updated)) == different(built, images(updated))


def test_an_update_replaces_only_what_has_changed(updated: Containers, checkout: Path) -> None:
    with (checkout / "blog-service" / "blog_service" / "main.py").open("a") as module:
        module.write("# changed\n")
    before, built = ids(updated), images(updated)
    updated.run("make", "up")
    replaced = different(before, ids(updated))
    assert replaced == different(built, images(updated))
    assert {"blog-service"} <= replaced <= set(PARTS)


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
