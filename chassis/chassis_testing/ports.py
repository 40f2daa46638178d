"""Ports for servers that are about to start."""

import random
import socket
from contextlib import suppress

HOST = "127.0.0.1"
# Below those that a system gives to outgoing connections, of which one may come in between.
PORTS = range(10_000, 32_000)


def free_port() -> int:
    """Return a port on which nothing listened a moment ago."""
    while True:
        port = random.choice(PORTS)
        with suppress(OSError), socket.create_server((HOST, port)):
            return port


def free_ports(count: int) -> list[int]:
    """Return such ports, all different."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return list(found)
