"""Waits for a condition, never for a time."""

from collections.abc import Callable

from chassis_testing.waiting import until

# Seconds until a test gives up: plenty even on a slow machine, but less than the shipped deadlines
# of upstreams (30 s), so that a test does not take one of these for the event it waits for.
PATIENCE = 20.0
# Until a process has started or ended, in which Python alone may take many seconds. No test waits
# for a deadline of upstreams meanwhile.
PROCESS_PATIENCE = 50.0


def eventually(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Poll until the condition holds. Fail when it does not become true."""
    until(condition, "What the test waits for", patience)
