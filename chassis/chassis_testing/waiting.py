"""Waiting for a state, for as long as the slowest machine may take."""

import asyncio
import time
from collections.abc import Callable

SECONDS = 120.0
POLL_SECONDS = 0.01


def until(holds: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Return once the condition holds. Raise AssertionError with the words if it never does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not happen in {seconds:.0f} s"
        time.sleep(POLL_SECONDS)


async def come_true(holds: Callable[[], object]) -> None:
    """Return once the condition holds, or raise TimeoutError. The event loop goes on."""
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110 - what sets no event
            await asyncio.sleep(POLL_SECONDS)
