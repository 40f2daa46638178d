"""Several containers of one service."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support.api import User, write_article
from support.deployment import Containers
from support.engine import docker

from chassis_testing.waiting import until


@pytest.fixture(scope="module")
def replicas(containers: Containers) -> Iterator[list[str]]:
    """Three containers of platform-service."""
    containers.up("--no-recreate", "--scale", "platform-service=3")
    yield containers.ids("platform-service")
    containers.up("--scale", "platform-service=1")


def test_each_of_three_replicas_gets_requests(replicas: list[str], api: httpx.Client) -> None:
    def worked() -> bool:
        with ThreadPoolExecutor(10) as clients:
            answers = list(clients.map(lambda _: api.get("/articles/?limit=1"), range(30)))
        assert {answer.status_code for answer in answers} == {200}
        return all('"/articles/"' in docker("logs", replica) for replica in replicas)

    assert len(replicas) == 3
    until(worked, "a request to each")


def test_of_twenty_changes_at_three_replicas_with_one_tag_one_is_made(
    replicas: list[str], api: httpx.Client, crowd: httpx.Client, ada: User
) -> None:
    path = f"/articles/{write_article(api, ada)['id']}"
    headers = {**ada.auth, "If-Match": api.get(path, headers=ada.auth).headers["ETag"]}

    def change(number: int) -> int:
        return crowd.patch(path, json={"title": f"By {number}"}, headers=headers).status_code

    with ThreadPoolExecutor(20) as clients:
        assert sorted(clients.map(change, range(20))) == [200, *[412] * 19]
    assert any(f'"PATCH","path":"{path}"' in docker("logs", one) for one in replicas[1:])
