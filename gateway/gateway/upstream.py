"""A service's replicas: which one is asked, over which connection, and how many at once."""

import asyncio
import errno
from contextlib import suppress
from functools import partial
from math import inf
from socket import SOCK_STREAM
from time import monotonic
from typing import Literal
from urllib.parse import urlsplit
from weakref import WeakSet

from gateway import config
from gateway.connection import Connection
from gateway.metrics import Metrics
from gateway.problems import RETRY_SOON, Problem

TICKS = 20  # from one resolution of the name to the next
RESOLVE_TIMEOUT = 2.0
PROBE_INTERVAL = 0.5  # seconds until a replica that was left out is probed

OUR_OWN = (errno.EMFILE, errno.ENFILE)  # no replica is to blame for these
UNAVAILABLE = (503, "The service does not answer at the moment.", RETRY_SOON)


class Replica:
    """An address of a service, with the connections that wait for their next exchange."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.in_flight = 0
        self.idle: list[Connection] = []
        self.probe_at = 0.0  # while the replica is left out; inf while it is probed


class Slots(asyncio.Semaphore):
    """So many at once; a bounded number of others wait for a bounded time."""

    def __init__(self, slots: int, limits: config.Upstream) -> None:
        super().__init__(slots)
        self._limits = limits
        self._waiting = 0

    async def acquire(self) -> Literal[True]:
        """Wait for a slot, or raise a Problem."""
        if not self.locked():
            return await super().acquire()
        if self._waiting >= self._limits.max_queue:
            raise Problem(*UNAVAILABLE)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.queue_timeout):
                return await super().acquire()
        except TimeoutError:
            raise Problem(*UNAVAILABLE) from None
        finally:
            self._waiting -= 1


class Upstream:
    """The pool of a service's replicas."""

    def __init__(self, name: str, limits: config.Upstream, metrics: Metrics) -> None:
        self.name = name
        self.slots = Slots(limits.max_in_flight, limits)
        self.uploads = Slots(limits.max_uploads, limits)
        self._limits = limits
        self._metrics = metrics
        self.connections: WeakSet[Connection] = WeakSet()  # to be checked
        self._replicas: list[Replica] = []  # the one that was asked last is the last
        self._resolution: asyncio.Task[None] | None = None

    def tick(self, now: float, counter: int) -> None:
        """Look at the connections' deadlines, every two seconds also for the replicas anew.

        To be called ten times a second, with the loop's time and a counter.
        """
        for connection in list(self.connections):
            connection.check(now)
        if counter % TICKS == 0:
            self._resolving()

    def close(self) -> None:
        """Close every connection."""
        for connection in list(self.connections):
            connection.close()

    async def connect(self, avoided: Replica | None = None) -> tuple[Replica, Connection]:
        """Return a connection to the replica with the least to do; release() must follow.

        A replica that refuses is left out, the name resolved anew and another one asked, once.
        When one is to be avoided, since it lost a request, the connection is a fresh one.
        """
        if replica := self._choose(avoided):
            with suppress(OSError):
                return replica, await self._connection(replica, fresh=avoided is not None)
            self._metrics.retried.labels(self.name).inc()
            avoided = replica
        await asyncio.shield(self._resolving())  # which goes on if this request is cancelled
        if replica := self._choose(avoided):
            with suppress(OSError):
                return replica, await self._connection(replica, fresh=True)
        raise Problem(*UNAVAILABLE)

    def release(self, replica: Replica, connection: Connection) -> None:
        """Take a connection back when its exchange ended, however it did."""
        replica.in_flight -= 1
        if connection.is_free:
            connection.rest(self._limits.keep_alive)
            replica.idle.append(connection)
        else:
            connection.close()

    def _choose(self, avoided: Replica | None) -> Replica | None:
        """Choose by least load and longest rest; of a left-out replica one request finds out."""
        now = monotonic()
        usable = [it for it in self._replicas if it.probe_at <= now]
        chosen = min(usable, key=lambda it: (it is avoided, it.in_flight), default=None)
        if chosen:
            self._replicas.remove(chosen)
            self._replicas.append(chosen)
        return chosen

    async def _connection(self, replica: Replica, *, fresh: bool) -> Connection:
        replica.in_flight += 1
        if replica.probe_at:
            replica.probe_at, fresh = inf, True  # what is open already tells nothing
        while replica.idle and not fresh:
            connection = replica.idle.pop()  # which waits for the shortest time
            if connection.is_free:
                return connection
        try:
            async with asyncio.timeout(self._limits.connect_timeout):
                loop, new = asyncio.get_running_loop(), partial(Connection, self._limits)
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
        replica.idle.clear()  # which end when they have rested

    def _resolving(self) -> asyncio.Task[None]:
        """Return the resolution that is under way, begun now if there is none."""
        if self._resolution is None or self._resolution.done():
            self._resolution = asyncio.create_task(self._resolve())
        return self._resolution

    async def _resolve(self) -> None:
        url, loop = urlsplit(str(self._limits.url)), asyncio.get_running_loop()
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT):
                found = await loop.getaddrinfo(url.hostname, url.port or 80, type=SOCK_STREAM)
        except (OSError, UnicodeError):
            return  # what was known is still the best guess
        addresses = {(str(info[4][0]), int(info[4][1])) for info in found}
        kept = [it for it in self._replicas if it.address in addresses]
        new = addresses - {it.address for it in kept}
        self._replicas = kept + [Replica(address) for address in sorted(new)]
