"""Waiting for a condition instead of a time."""

import time
from collections.abc import Callable
from typing import Any

# Seconds until a test gives up: many on the slowest machine, fewer than any deadline as shipped
# that would end the same wait, so that a test tells the one from the other.
PATIENCE = 20.0


def eventually(condition: Callable[[], Any]) -> None:
    """Poll until the condition holds. Fail when it does not become true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.005)
