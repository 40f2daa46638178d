"""The replicas of a service: which of them gets a request, and over which connection."""

import asyncio
import errno
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from math import inf
from socket import SOCK_STREAM
from time import monotonic
from typing import NoReturn
from urllib.parse import urlsplit
from weakref import WeakSet

from gateway.metrics import Metrics
from gateway.problems import Problem
from gateway.routes import UpstreamLimits
from gateway.upstream.connection import UpstreamConnection
from gateway.upstream.slots import UNAVAILABLE, Slots

TICK = 0.1  # seconds from one check of the deadlines to the next
TICKS = 20  # from one resolution of the name to the next
RESOLVE_TIMEOUT = 2.0
PROBE_INTERVAL = 0.5  # seconds until a replica that was left out is probed

OUR_OWN = (errno.EMFILE, errno.ENFILE)  # no replica is to blame for these


class Replica:
    """An address of a service and the idle connections to it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.in_flight = 0
        self.idle: list[UpstreamConnection] = []
        self.probe_at = 0.0  # 0 if the replica is well, inf while it is probed


class Upstream:
    """A service: its replicas, and how many requests it has at once."""

    def __init__(self, name: str, limits: UpstreamLimits, metrics: Metrics) -> None:
        self.name = name
        self.slots = Slots(limits.max_in_flight, limits)
        self.uploads = Slots(limits.max_uploads, limits)
        self.connections: WeakSet[UpstreamConnection] = WeakSet()
        self._limits = limits
        self._metrics = metrics
        self._replicas: list[Replica] = []  # in the order of their last use
        self._resolution: asyncio.Task[None] | None = None

    async def connect(self, avoided: Replica | None = None) -> tuple[Replica, UpstreamConnection]:
        """Return a connection to the least busy replica; release() must follow.

        If that replica refuses, the name is resolved again and one other replica is tried. With
        `avoided`, a replica that lost the request, the connection is always a new one.
        """
        if replica := self._choose(avoided):
            with suppress(OSError):
                return replica, await self._open(replica, fresh=avoided is not None)
            self._metrics.retried.labels(self.name).inc()
            avoided = replica
        await asyncio.shield(self._resolving())  # others may wait for it too
        if replica := self._choose(avoided):
            with suppress(OSError):
                return replica, await self._open(replica, fresh=True)
        raise Problem(*UNAVAILABLE)

    def release(self, replica: Replica, connection: UpstreamConnection) -> None:
        """Take a connection back after its exchange, successful or not."""
        replica.in_flight -= 1
        if connection.is_free:
            connection.rest(self._limits.keep_alive)
            replica.idle.append(connection)
        else:
            connection.close()

    def tick(self, now: float, number: int) -> None:
        """Enforce the connections' deadlines, and resolve the name at every TICKS-th call."""
        for connection in list(self.connections):
            connection.check(now)
        if number % TICKS == 0:
            self._resolving()

    def close(self) -> None:
        """Close every connection."""
        for connection in list(self.connections):
            connection.close()

    def _choose(self, avoided: Replica | None) -> Replica | None:
        """Return the least busy replica, the oldest use first.

        A replica that was left out is probed with one request.
        """
        now = monotonic()
        usable = [it for it in self._replicas if it.probe_at <= now]
        chosen = min(usable, key=lambda it: (it is avoided, it.in_flight), default=None)
        if chosen:
            self._replicas.remove(chosen)
            self._replicas.append(chosen)
        return chosen

    async def _open(self, replica: Replica, *, fresh: bool) -> UpstreamConnection:
        """Return an idle connection or a new one."""
        replica.in_flight += 1
        if replica.probe_at:
            replica.probe_at, fresh = inf, True  # an open connection would prove nothing
        while replica.idle and not fresh:
            connection = replica.idle.pop()  # the most recently used
            if connection.is_free:
                return connection
        try:
            async with asyncio.timeout(self._limits.connect_timeout):
                loop, new = asyncio.get_running_loop(), partial(UpstreamConnection, self._limits)
                _, connection = await loop.create_connection(new, *replica.address)
        except BaseException as error:
            replica.in_flight -= 1
            if replica.probe_at or (isinstance(error, OSError) and error.errno not in OUR_OWN):
                self._leave_out(replica)
            raise
        self.connections.add(connection)
        replica.probe_at = 0.0
        return connection

    def _leave_out(self, replica: Replica) -> None:
        if not replica.probe_at:
            self._metrics.left_out.labels(self.name).inc()
        replica.probe_at = monotonic() + PROBE_INTERVAL
        replica.idle.clear()  # these connections close by themselves soon

    def _resolving(self) -> asyncio.Task[None]:
        """Return the resolution under way, after starting one if there is none."""
        if self._resolution is None or self._resolution.done():
            self._resolution = asyncio.create_task(self._resolve())
        return self._resolution

    async def _resolve(self) -> None:
        url, loop = urlsplit(str(self._limits.url)), asyncio.get_running_loop()
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT):
                found = await loop.getaddrinfo(url.hostname, url.port or 80, type=SOCK_STREAM)
        except (OSError, UnicodeError):
            return  # the addresses known so far are still the best guess
        addresses = {(str(info[4][0]), int(info[4][1])) for info in found}
        kept = [it for it in self._replicas if it.address in addresses]
        new = addresses - {it.address for it in kept}
        self._replicas = kept + [Replica(address) for address in sorted(new)]


async def tick_forever(upstreams: Collection[Upstream]) -> NoReturn:
    """Call tick() of every upstream ten times a second."""
    loop, number = asyncio.get_running_loop(), 0
    while True:
        for upstream in upstreams:
            upstream.tick(loop.time(), number)
        number += 1
        await asyncio.sleep(TICK)
