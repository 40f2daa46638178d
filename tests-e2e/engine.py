"""What the engine says of containers and images."""

import json
import os
from typing import Any

from deployment import run

Inspected = dict[str, Any]


def docker(*arguments: str) -> str:
    return run(["docker", *arguments], dict(os.environ), timeout=300)


def inspected(ids: list[str]) -> list[Inspected]:
    found: list[Inspected] = json.loads(docker("inspect", *ids))
    return found


def name_of(container: Inspected) -> str:
    """The compose service that the container belongs to."""
    name: str = container["Config"]["Labels"]["com.docker.compose.service"]
    return name
