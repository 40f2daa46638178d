"""Several containers of one service."""

from concurrent.futures import ThreadPoolExecutor

import httpx
from support.deployment import Containers, eventually
from support.engine import docker


def test_each_of_three_replicas_gets_requests(containers: Containers, api: httpx.Client) -> None:
    def worked(replicas: list[str]) -> bool:
        with ThreadPoolExecutor(10) as clients:
            answers = list(clients.map(lambda _: api.get("/articles/?limit=1"), range(30)))
        assert {answer.status_code for answer in answers} == {200}
        return all('"/articles/"' in docker("logs", replica) for replica in replicas)

    containers.up("--no-recreate", "--scale", "platform-service=3")
    try:
        replicas = containers.ids("platform-service")
        assert len(replicas) == 3
        eventually(lambda: worked(replicas))
    finally:
        containers.up("--scale", "platform-service=1")
