"""The replicas of a service, by the addresses of its name: how each stands, and the best one."""

import asyncio
import errno
import logging
from collections.abc import Callable, Collection
from math import inf
from time import monotonic
from urllib.parse import urlsplit

from gateway.metrics import Metrics
from gateway.problems import Problem
from gateway.resolver import addresses_of
from gateway.routes import UpstreamLimits
from gateway.upstream.connection import UpstreamConnection
from gateway.upstream.replica import NEW, OUT, UNREADY, WELL, Replica, Standing
from gateway.upstream.slots import UNAVAILABLE

logger = logging.getLogger(__name__)

RESOLVE_INTERVAL = 2.0  # seconds from one resolution of the name to the next
SEARCH_INTERVAL = 0.5  # the same while there is no usable replica
CHECK_INTERVAL = 0.5  # seconds from a replica's answer about its readiness to the next question
CHECK_TIMEOUT = 2.3  # longer than the services wait for their databases
RECOVERY = 1.0  # seconds that a request waits for a service without a usable replica

WORDS = {WELL: "is well", UNREADY: "is not ready", OUT: "is left out"}

# No replica is to blame for these.
OUR_OWN = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL)


class Replicas:
    """The replicas that a service's name resolves to, and the standing of each."""

    def __init__(
        self,
        name: str,
        limits: UpstreamLimits,
        metrics: Metrics,
        on_hang: Callable[[Replica], None],
    ) -> None:
        self._name = name
        self._limits = limits
        self._metrics = metrics
        self._on_hang = on_hang
        self._replicas: list[Replica] = []  # in the order of their last use
        self._has_usable = asyncio.Event()
        self._resolution: asyncio.Task[None] | None = None
        self._resolved_at = 0.0
        self._checks: set[asyncio.Task[None]] = set()

    @property
    def is_up(self) -> bool:
        """True if a replica is well."""
        return any(it.standing is WELL for it in self._replicas)

    # For requests.

    async def wait_until_usable(self) -> None:
        """Wait a moment for a usable replica, so that a short restart costs no request.

        The wait also slows clients that ask a service that is away again and again.
        """
        if self._has_usable.is_set():
            return
        try:
            async with asyncio.timeout(RECOVERY):
                await self._has_usable.wait()
        except TimeoutError:
            raise Problem(*UNAVAILABLE) from None

    def usable(self, asked: Collection[Replica]) -> list[Replica]:
        """Return the usable replicas that have not been asked."""
        return [it for it in self._replicas if it.standing is not OUT and it not in asked]

    def choose(self, avoided: Replica | None, asked: Collection[Replica]) -> Replica | None:
        """Return the best and least busy of the usable replicas, the oldest use first."""
        usable = self.usable(asked)
        if not usable:
            return None
        chosen = min(usable, key=lambda it: (it.standing, it is avoided, it.in_flight))
        self._replicas.remove(chosen)
        self._replicas.append(chosen)
        return chosen

    async def resolve_and_choose(
        self, avoided: Replica | None, asked: Collection[Replica]
    ) -> Replica | None:
        """Resolve the name again, for the service may have moved, and choose."""
        await asyncio.shield(self._resolving())  # others may wait for it too
        return self.choose(avoided, asked)

    async def open(self, replica: Replica, seconds: float) -> UpstreamConnection:
        """Return a new connection to a replica, or leave the replica out and raise an OSError."""
        try:
            async with asyncio.timeout(seconds):
                connection = await replica.open()
        except OSError as error:
            self._blame(replica, error)
            raise
        if replica.standing is NEW:
            self._set_standing(replica, WELL)
        return connection

    # The standing of the replicas.

    async def check_all(self) -> None:
        """Resolve the name and ask each replica how it stands."""
        await self._resolving()
        await asyncio.gather(*map(self._check, self._replicas))

    def tick(self) -> None:
        """Resolve the name and check the replicas when it is time."""
        now = monotonic()
        interval = RESOLVE_INTERVAL if self._has_usable.is_set() else SEARCH_INTERVAL
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
            is_ready = await replica.is_ready(CHECK_TIMEOUT)
            self._set_standing(replica, WELL if is_ready else UNREADY)
        except Problem:
            self._set_standing(replica, UNREADY)
        except TimeoutError:
            if replica.heard_at < began:  # otherwise it is slow, but works
                self._set_standing(replica, OUT)
                self._on_hang(replica)
        except OSError as error:
            self._blame(replica, error)
        finally:
            replica.check_at = monotonic() + CHECK_INTERVAL

    def _blame(self, replica: Replica, error: OSError) -> None:
        """Leave a replica out that takes no connection, unless the reason is here."""
        if error.errno not in OUR_OWN:
            self._set_standing(replica, OUT)

    def _set_standing(self, replica: Replica, standing: Standing) -> None:
        if standing is replica.standing or replica not in self._replicas:
            return  # a check may last longer than its replica is listed
        level = logging.INFO if standing is WELL else logging.WARNING
        logger.log(level, "%s at %s %s", self._name, replica.name, WORDS[standing])
        if standing is OUT:
            self._metrics.left_out.labels(self._name).inc()
        replica.standing = standing
        self._metrics.replica_up.labels(self._name, replica.name).set(standing is WELL)
        self._note_usable()

    def _note_usable(self) -> None:
        """Make requests wait while no replica is usable, and go on as soon as one is."""
        if self.usable(()):
            self._has_usable.set()
        else:
            self._has_usable.clear()

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
            self._metrics.replica_up.remove(self._name, replica.name)
        for address in sorted(addresses - {it.address for it in self._replicas}):
            self._replicas.append(Replica(address, self._limits))
            self._metrics.replica_up.labels(self._name, self._replicas[-1].name).set(0)
        self._note_usable()

    def close(self) -> None:
        """Stop checking."""
        for check in self._checks:
            check.cancel()
