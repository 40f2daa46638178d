"""Fixtures: a running system, and a port for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from stack import Stack, eventually

from chassis_testing.ports import free_port


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def stack(tmp_path: Path, port: int) -> Iterator[Stack]:
    """A system that is up."""
    stack = Stack(tmp_path, port)
    try:
        eventually(stack.is_up)
        yield stack
    finally:
        stack.stop()
