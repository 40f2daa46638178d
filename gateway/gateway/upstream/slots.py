"""A bound on how many requests an upstream has at once, in which no client takes all places."""

import asyncio
from collections import deque

from chassis.shares import Shares
from gateway.problems import RETRY_SOON, Problem
from gateway.routes import UpstreamLimits

UNAVAILABLE = (503, "The service is not available at the moment.", RETRY_SOON)


class Slots:
    """Places for requests at an upstream, with a bounded queue and a bounded wait.

    Clients, which are addresses, take turns: the requests of one do not wait behind all of
    another's.
    """

    def __init__(self, slots: int, limits: UpstreamLimits) -> None:
        self._limits = limits
        self._places = Shares(slots)
        self._queue = Shares(limits.max_queue)
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # by client

    async def acquire(self, client: str) -> None:
        """Wait for a slot, or raise a Problem; release() must follow."""
        if self._places.has_for(client):
            self._places.take(client)
            return
        if not self._queue.has_for(client):
            raise Problem(*UNAVAILABLE)
        self._queue.take(client)
        try:
            await self._wait(client)
        finally:
            self._queue.give_back(client)

    def release(self, client: str) -> None:
        """Return a slot, and pass it to the next request that may have one."""
        self._places.give_back(client)
        while self._waiting:
            lucky = next(filter(self._places.has_for, self._waiting), None)
            if lucky is None:
                return
            turns = self._waiting.pop(lucky)
            turn = turns.popleft()
            if turns:
                self._waiting[lucky] = turns  # behind the other clients
            if not turn.done():  # otherwise its request has ended
                self._places.take(lucky)
                turn.set_result(None)

    async def _wait(self, client: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            async with asyncio.timeout(self._limits.queue_timeout):
                await turn
        except BaseException as error:
            self._leave(client, turn)
            if isinstance(error, TimeoutError):
                raise Problem(*UNAVAILABLE) from None
            raise

    def _leave(self, client: str, turn: asyncio.Future[None]) -> None:
        if not turn.cancelled():  # its turn came at the same moment
            self.release(client)
        elif turns := self._waiting.get(client):
            if turn in turns:
                turns.remove(turn)
            if not turns:
                del self._waiting[client]
