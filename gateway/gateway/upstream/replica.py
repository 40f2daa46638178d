"""A replica of a service: how it stands, and the connections to it."""

import asyncio
from collections import deque
from enum import IntEnum
from functools import partial

from gateway.routes import UpstreamLimits
from gateway.upstream.connection import DONE, UpstreamConnection

# Connection: close, for only a new connection proves that the replica takes any.
CHECK = (
    b"GET /readyz HTTP/1.1\r\nHost: %b\r\nUser-Agent: inkwell-gateway\r\nConnection: close\r\n\r\n"
)


class Standing(IntEnum):
    """The standing of a replica. A request goes to the best of the usable ones."""

    WELL = 0
    NEW = 1  # it has not accepted a connection yet, and may not listen yet
    UNREADY = 2  # it accepts connections, but says that it is not ready
    OUT = 3  # it refuses connections or hangs: not usable


# Plain names, since Python 3.11 is slow to look up the members of an Enum.
WELL, NEW, UNREADY, OUT = Standing


class Replica:
    """An address of a service and the idle connections to it."""

    def __init__(self, address: tuple[str, int], limits: UpstreamLimits) -> None:
        self.address = address
        host, port = address
        self.name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"  # in logs and metrics
        self.standing = NEW
        self.in_flight = 0
        self.heard_at = 0.0  # when it last answered a request
        self.check_at = 0.0  # the earliest time of the next check
        self._idle: deque[UpstreamConnection] = deque()  # the most recently used is last
        self._limits = limits

    def reuse(self) -> UpstreamConnection | None:
        """Return the idle connection that was used last, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_free:
                return connection
        return None

    def keep(self, connection: UpstreamConnection) -> None:
        """Keep a connection that is free for another exchange.

        Closed connections are dropped from the front.
        """
        connection.rest(self._limits.keep_alive)
        self._idle.append(connection)
        while self._idle and not self._idle[0].is_free:
            self._idle.popleft()

    async def open(self) -> UpstreamConnection:
        """Return a new connection, or raise an OSError."""
        new = partial(UpstreamConnection, self._limits, self.address)
        _, connection = await asyncio.get_running_loop().create_connection(new, *self.address)
        return connection

    async def is_ready(self, seconds: float) -> bool:
        """Ask the replica whether it is ready.

        Raises:
            OSError: it refuses the connection, or does not answer in time.
            Problem: its answer is not valid.
        """
        async with asyncio.timeout(seconds):
            connection = await self.open()
            try:
                connection.begin(CHECK % self.name.encode(), is_complete=True)
                await connection.receive_head()
                while connection.state is not DONE:
                    connection.take()
                    await connection.receive_more()
            finally:
                connection.close()
        return connection.status < 500  # noqa: PLR2004 - another service may have no such path
