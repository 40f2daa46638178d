"""Containers and images, as `docker inspect` describes them."""

import json
import os
from typing import Any

from support.deployment import PATIENCE, run

Inspected = dict[str, Any]


def docker(*arguments: str) -> str:
    return run(["docker", *arguments], dict(os.environ), timeout=5 * PATIENCE)


def inspected(ids: list[str]) -> list[Inspected]:
    found: list[Inspected] = json.loads(docker("inspect", *ids))
    return found


def name_of(container: Inspected) -> str:
    """Return the compose service that the container belongs to."""
    name: str = container["Config"]["Labels"]["com.docker.compose.service"]
    return name
