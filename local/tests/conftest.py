"""Fixtures: a running system, and a port for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from stack import Stack

from chassis_testing.ports import free_port
from chassis_testing.waiting import until


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def stack(tmp_path: Path, port: int) -> Iterator[Stack]:
    """A system that is up."""
    stack = Stack(tmp_path, port)
    try:
        until(stack.is_up, "the start")
        yield stack
    finally:
        stack.stop()
