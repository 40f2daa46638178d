"""Restarts, stops and interrupted starts keep the data."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from support.api import User, sign_in, write_article, write_post
from support.deployment import LONG_RUNNING, Containers
from support.engine import inspected, name_of


@pytest.fixture
def written(api: httpx.Client, ada: User) -> Callable[[], None]:
    """Write a post, an article and a user, and return a check that they are still there."""
    post, article = write_post(api, ada, body="kept"), write_article(api, ada)

    def check() -> None:
        assert api.get(f"/posts/{post['id']}").json() == post
        assert api.get(f"/articles/{article['id']}", headers=ada.auth).json() == article
        assert sign_in(api, ada.email).status_code == 200

    return check


def states(containers: Containers) -> dict[str, str]:
    """Return the state of each long-running container."""
    found = inspected(containers.ids(*LONG_RUNNING))
    assert len(found) >= len(LONG_RUNNING)
    return {name_of(one): f"{one['State']['Status']} {one['State']['ExitCode']}" for one in found}


def test_the_data_is_there_after_every_container_was_restarted(
    containers: Containers, written: Callable[[], None]
) -> None:
    containers.compose("restart", *LONG_RUNNING)
    containers.up()
    written()


def test_stop_ends_every_container_by_sigterm(
    containers: Containers, written: Callable[[], None]
) -> None:
    containers.compose("stop", "--timeout", "60")  # longer than its own, for a slow machine
    ended = states(containers)
    containers.up()
    assert set(ended.values()) <= {"exited 0", "exited 143"}, ended
    written()


def test_down_and_up_keeps_the_data(containers: Containers, written: Callable[[], None]) -> None:
    containers.compose("down")
    containers.up()
    written()


@pytest.fixture
def another(containers: Containers) -> Iterator[Containers]:
    """A second deployment, with nothing started."""
    assert containers
    another = Containers("another")
    yield another
    another.stop()


@pytest.mark.parametrize("waiting", [("--detach",), ("--wait",)])
def test_a_first_start_whose_database_was_killed_is_completed_by_the_next(
    another: Containers, waiting: tuple[str]
) -> None:
    another.compose("up", *waiting, "platform-db")
    another.compose("kill", "platform-db")
    another.up("platform-service")
