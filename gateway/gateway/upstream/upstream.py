"""A service: the connections to its replicas, and which of them gets a request."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from time import monotonic
from typing import NoReturn
from weakref import WeakSet

from gateway.metrics import Metrics
from gateway.problems import Problem
from gateway.routes import UpstreamLimits
from gateway.upstream.connection import UpstreamConnection
from gateway.upstream.replica import OUT, Replica
from gateway.upstream.replicas import Replicas
from gateway.upstream.slots import UNAVAILABLE, Slots

TICK = 0.1  # seconds from one check of the deadlines to the next
START_TIMEOUT = 0.5  # seconds that the start waits for the replicas' first answers


class Upstream:
    """A service: its replicas, and how many requests it has at once."""

    def __init__(self, name: str, limits: UpstreamLimits, metrics: Metrics) -> None:
        self.name = name
        self.slots = Slots(limits.max_in_flight, limits)
        self.uploads = Slots(limits.max_uploads, limits)
        self.replicas = Replicas(name, limits, metrics, on_hang=self._move_on)
        self.connections: WeakSet[UpstreamConnection] = WeakSet()
        self._connect_timeout = limits.connect_timeout
        metrics.upstream_up.labels(name).set_function(lambda: self.replicas.is_up)

    async def connect(
        self, avoided: Replica | None, *, may_reuse: bool
    ) -> tuple[Replica, UpstreamConnection]:
        """Return a connection to the best replica; release() must follow.

        If none accepts, wait a moment for a usable one and ask them once more. With `may_reuse` the
        connection may be an idle one, but not after a replica has lost the request: that one is
        `avoided`.
        """
        if found := await self._connect_to_any(avoided, may_reuse=may_reuse):
            return found
        await self.replicas.wait_until_usable()
        if found := await self._connect_to_any(avoided, may_reuse=may_reuse):
            return found
        raise Problem(*UNAVAILABLE)

    async def _connect_to_any(
        self, avoided: Replica | None, *, may_reuse: bool
    ) -> tuple[Replica, UpstreamConnection] | None:
        """Ask every replica once, until one accepts or the time for connecting is over."""
        deadline = monotonic() + self._connect_timeout
        asked: list[Replica] = []
        replicas = self.replicas
        while replica := (
            replicas.choose(avoided, asked) or await replicas.resolve_and_choose(avoided, asked)
        ):
            if may_reuse and avoided is None and (connection := replica.reuse()):
                replica.in_flight += 1
                return replica, connection
            asked.append(replica)
            seconds = (deadline - monotonic()) / (1 + len(replicas.usable(asked)))
            if seconds <= 0:
                break
            with suppress(OSError):
                return replica, await self._open(replica, seconds)
        return None

    async def _open(self, replica: Replica, seconds: float) -> UpstreamConnection:
        replica.in_flight += 1
        try:
            connection = await self.replicas.open(replica, seconds)
        except BaseException:
            replica.in_flight -= 1
            raise
        self.connections.add(connection)
        return connection

    def release(self, replica: Replica, connection: UpstreamConnection) -> None:
        """Take a connection back after its exchange, successful or not."""
        replica.in_flight -= 1
        if connection.status:
            replica.heard_at = monotonic()
        if connection.is_free and replica.standing is not OUT:
            replica.keep(connection)
        else:
            connection.close()

    def _move_on(self, replica: Replica) -> None:
        """Move the requests that wait for a replica to another, as far as that is safe."""
        for connection in list(self.connections):
            if connection.address == replica.address:
                connection.move_on()

    def tick(self) -> None:
        """Enforce the connections' deadlines, and look after the replicas."""
        for connection in list(self.connections):
            connection.check()
        self.replicas.tick()

    def close(self) -> None:
        """Stop checking the replicas and close every connection."""
        self.replicas.close()
        for connection in list(self.connections):
            connection.close()


async def check_all(upstreams: Collection[Upstream]) -> None:
    """Check all replicas, for START_TIMEOUT seconds at most, before the first request."""
    with suppress(TimeoutError):
        async with asyncio.timeout(START_TIMEOUT):
            await asyncio.gather(*(it.replicas.check_all() for it in upstreams))


async def tick_forever(upstreams: Collection[Upstream]) -> NoReturn:
    """Call tick() of every upstream ten times a second."""
    while True:
        for upstream in upstreams:
            upstream.tick()
        await asyncio.sleep(TICK)
