"""Waits for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import Any

# Seconds until a test gives up: plenty even on a slow machine, but less than the shipped deadlines
# of upstreams (30 s), so that a test does not take one of these for the event it waits for.
PATIENCE = 20.0
# Until a process has started or ended, in which Python alone may take many seconds. No test waits
# for a deadline of upstreams meanwhile.
PROCESS_PATIENCE = 50.0


def eventually(condition: Callable[[], Any], patience: float = PATIENCE) -> None:
    """Poll until the condition holds. Fail when it does not become true."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.005)
