"""Waiting for a state, for as long as the slowest machine may take."""

import time
from collections.abc import Callable

SECONDS = 120
POLL_SECONDS = 0.02


def until(holds: Callable[[], bool], what: str) -> None:
    """Return once the condition holds. Raise AssertionError with the words if it never does."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not happen in {SECONDS} s"
        time.sleep(POLL_SECONDS)
