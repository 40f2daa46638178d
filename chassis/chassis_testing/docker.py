"""A check for a Docker engine."""

import subprocess
from collections.abc import Sequence

SECONDS = 30.0  # until an engine that hangs counts as none
QUESTIONS = (["docker", "info"], ["docker", "compose", "version"])


def docker_answers() -> bool:
    """Return whether a Docker engine with compose answers."""
    return all(map(succeeds, QUESTIONS))


def succeeds(command: Sequence[str]) -> bool:
    """Return whether a command ends with 0, and in time."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
