"""The log lines of a deployment's containers."""

import json

from support.deployment import Containers

Line = dict[str, object]


def log_lines(containers: Containers, part: str) -> list[Line]:
    """Return every line that the part has logged, as JSON."""
    logged = containers.compose("logs", "--no-log-prefix", "--no-color", part).splitlines()
    return [json.loads(line) for line in logged if line.strip()]


def lines_of(containers: Containers, part: str, request_id: str) -> list[Line]:
    """Return the lines of one request."""
    return [line for line in log_lines(containers, part) if line.get("request_id") == request_id]
