"""Fixtures: a running system, and a port for it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Stack, eventually


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
    return number


@pytest.fixture
def stack(tmp_path: Path, port: int) -> Iterator[Stack]:
    """A system that is up."""
    stack = Stack(tmp_path, port)
    try:
        eventually(stack.is_up)
        yield stack
    finally:
        stack.stop()
