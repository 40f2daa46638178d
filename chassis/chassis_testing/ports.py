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


def has_ipv6() -> bool:
    """Return whether this machine has IPv6."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
