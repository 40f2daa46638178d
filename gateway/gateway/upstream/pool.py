"""The replicas of a service: which of them gets a request, and over which connection."""

import asyncio
import errno
import logging
from collections.abc import Collection
from contextlib import suppress
from math import inf
from time import monotonic
from typing import NoReturn
from urllib.parse import urlsplit
from weakref import WeakSet

from gateway.metrics import Metrics
from gateway.problems import Problem
from gateway.resolver import addresses_of
from gateway.routes import UpstreamLimits
from gateway.upstream.connection import UpstreamConnection
from gateway.upstream.replica import NEW, OUT, UNREADY, WELL, Replica, Standing
from gateway.upstream.slots import UNAVAILABLE, Slots

logger = logging.getLogger(__name__)

TICK = 0.1  # seconds from one check of the deadlines to the next
RESOLVE_INTERVAL = 2.0  # seconds from one resolution of the name to the next
SEARCH_INTERVAL = 0.5  # the same while there is no usable replica
CHECK_INTERVAL = 0.5  # seconds from a replica's answer about its readiness to the next question
CHECK_TIMEOUT = 2.3  # longer than the services wait for their databases
START = 0.5  # seconds at the start in which the replicas may answer it
RECOVERY = 1.0  # seconds that a request waits for a service without a usable replica

WORDS = {WELL: "is well", UNREADY: "is not ready", OUT: "is left out"}

# No replica is to blame for these.
OUR_OWN = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL)


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
        self._resolved_at = 0.0
        self._checks: set[asyncio.Task[None]] = set()
        self._usable = asyncio.Event()  # set while there is a usable replica
        metrics.upstream_up.labels(name).set_function(lambda: self.is_up)

    @property
    def is_up(self) -> bool:
        """True if a replica is well."""
        return any(it.standing is WELL for it in self._replicas)

    # Connections for requests.

    async def wait_until_usable(self) -> None:
        """Wait a moment for a usable replica, so that a short restart costs no request.

        The wait also slows clients that ask a service that is away again and again.
        """
        if self._usable.is_set():
            return
        try:
            async with asyncio.timeout(RECOVERY):
                await self._usable.wait()
        except TimeoutError:
            raise Problem(*UNAVAILABLE) from None

    async def connect(
        self, avoided: Replica | None, *, may_reuse: bool
    ) -> tuple[Replica, UpstreamConnection]:
        """Return a connection to the best replica; release() must follow.

        While none is usable, it waits a moment and asks them once more. With `avoided`, a replica
        that lost the request, the connection is always a new one, and so it is unless it
        `may_reuse` one.
        """
        if found := await self._ask_each(avoided, may_reuse=may_reuse):
            return found
        await self.wait_until_usable()
        if found := await self._ask_each(avoided, may_reuse=may_reuse):
            return found
        raise Problem(*UNAVAILABLE)

    async def _ask_each(
        self, avoided: Replica | None, *, may_reuse: bool
    ) -> tuple[Replica, UpstreamConnection] | None:
        """Ask every replica once, until one accepts or the time for connecting is over."""
        deadline = monotonic() + self._limits.connect_timeout
        asked: list[Replica] = []
        while replica := self._choose(avoided, asked) or await self._find(avoided, asked):
            if may_reuse and avoided is None and (connection := replica.reuse()):
                replica.in_flight += 1
                return replica, connection
            asked.append(replica)
            others = sum(it.standing is not OUT and it not in asked for it in self._replicas)
            seconds = (deadline - monotonic()) / (1 + others)
            if seconds <= 0:
                break
            with suppress(OSError):
                return replica, await self._open(replica, seconds)
        return None

    def release(self, replica: Replica, connection: UpstreamConnection) -> None:
        """Take a connection back after its exchange, successful or not."""
        replica.in_flight -= 1
        if connection.status:
            replica.heard_at = monotonic()
        if connection.is_free and replica.standing is not OUT:
            replica.keep(connection)
        else:
            connection.close()

    def _choose(self, avoided: Replica | None, asked: Collection[Replica]) -> Replica | None:
        """Return the best and least busy replica, the oldest use first."""
        usable = [it for it in self._replicas if it.standing is not OUT and it not in asked]
        if not usable:
            return None
        chosen = min(usable, key=lambda it: (it.standing, it is avoided, it.in_flight))
        self._replicas.remove(chosen)
        self._replicas.append(chosen)
        return chosen

    async def _find(self, avoided: Replica | None, asked: Collection[Replica]) -> Replica | None:
        """Resolve the name again, for the service may have moved, and choose."""
        await asyncio.shield(self._resolving())  # others may wait for it too
        return self._choose(avoided, asked)

    async def _open(self, replica: Replica, seconds: float) -> UpstreamConnection:
        replica.in_flight += 1
        try:
            async with asyncio.timeout(seconds):
                connection = await replica.open()
        except BaseException as error:
            replica.in_flight -= 1
            if isinstance(error, OSError) and error.errno not in OUR_OWN:
                self._judge(replica, OUT)
            raise
        self.connections.add(connection)
        if replica.standing is NEW:
            self._judge(replica, WELL)
        return connection

    # The standing of the replicas.

    async def look_around(self) -> None:
        """Resolve the name and ask each replica how it stands."""
        await self._resolving()
        await asyncio.gather(*map(self._check, self._replicas))

    def tick(self) -> None:
        """Enforce the connections' deadlines, resolve the name and check the replicas in time."""
        for connection in list(self.connections):
            connection.check()
        now = monotonic()
        interval = RESOLVE_INTERVAL if self._usable.is_set() else SEARCH_INTERVAL
        if now >= self._resolved_at + interval:
            self._resolved_at = now
            self._resolving()
        for replica in self._replicas:
            if now >= replica.check_at:
                check = asyncio.create_task(self._check(replica))
                self._checks.add(check)
                check.add_done_callback(self._checks.discard)

    async def _check(self, replica: Replica) -> None:
        """Ask a replica whether it is ready. One that hangs is left out like one that refuses."""
        began, replica.check_at = monotonic(), inf
        try:
            self._judge(replica, WELL if await replica.is_ready(CHECK_TIMEOUT) else UNREADY)
        except Problem:
            self._judge(replica, UNREADY)
        except TimeoutError:
            if replica.heard_at < began:  # otherwise it is slow, but works
                self._judge(replica, OUT)
                self._move_on(replica)
        except OSError as error:
            if error.errno not in OUR_OWN:
                self._judge(replica, OUT)
        finally:
            replica.check_at = monotonic() + CHECK_INTERVAL

    def _move_on(self, replica: Replica) -> None:
        """Move the requests that wait for a replica to another, as far as that is safe."""
        for connection in list(self.connections):
            if connection.address == replica.address:
                connection.move_on()

    def _judge(self, replica: Replica, standing: Standing) -> None:
        if standing is replica.standing or replica not in self._replicas:
            return  # a check may last longer than its replica is listed
        level = logging.INFO if standing is WELL else logging.WARNING
        logger.log(level, "%s at %s %s", self.name, replica.name, WORDS[standing])
        if standing is OUT:
            self._metrics.left_out.labels(self.name).inc()
        replica.standing = standing
        self._metrics.replica_up.labels(self.name, replica.name).set(standing is WELL)
        self._note_usable()

    def _note_usable(self) -> None:
        """Make requests wait while no replica is usable, and go on as soon as one is."""
        if any(it.standing is not OUT for it in self._replicas):
            self._usable.set()
        else:
            self._usable.clear()

    # The addresses.

    def _resolving(self) -> asyncio.Task[None]:
        """Return the resolution under way, after starting one if there is none."""
        if self._resolution is None or self._resolution.done():
            self._resolution = asyncio.create_task(self._resolve())
        return self._resolution

    async def _resolve(self) -> None:
        url = urlsplit(str(self._limits.url))
        addresses = {(it, url.port or 80) for it in await addresses_of(url.hostname or "")}
        if not addresses:
            return  # those known so far are still the best guess
        for replica in [it for it in self._replicas if it.address not in addresses]:
            self._replicas.remove(replica)
            self._metrics.replica_up.remove(self.name, replica.name)
        for address in sorted(addresses - {it.address for it in self._replicas}):
            self._replicas.append(Replica(address, self._limits))
            self._metrics.replica_up.labels(self.name, self._replicas[-1].name).set(0)
        self._note_usable()

    def close(self) -> None:
        """Stop checking and close every connection."""
        for check in self._checks:
            check.cancel()
        for connection in list(self.connections):
            connection.close()


async def look_around(upstreams: Collection[Upstream]) -> None:
    """Wait a moment for what the first request should find known."""
    with suppress(TimeoutError):
        async with asyncio.timeout(START):
            await asyncio.gather(*(it.look_around() for it in upstreams))


async def tick_forever(upstreams: Collection[Upstream]) -> NoReturn:
    """Call tick() of every upstream ten times a second."""
    while True:
        for upstream in upstreams:
            upstream.tick()
        await asyncio.sleep(TICK)
