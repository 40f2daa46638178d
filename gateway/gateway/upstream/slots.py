"""The slots that limit how many requests an upstream has at once. No client takes all of them."""

import asyncio

from chassis.shares import Shares
from gateway.fair_queue import FairQueue
from gateway.problems import RETRY_SOON, Problem
from gateway.routes import UpstreamLimits

UNAVAILABLE = (503, "The service is not available at the moment.", RETRY_SOON)


class Slots:
    """Slots for requests at an upstream, with a bounded queue and a bounded wait."""

    def __init__(self, slots: int, limits: UpstreamLimits) -> None:
        self._limits = limits
        self._slots = Shares(slots)
        self._queue_slots = Shares(limits.max_queue)
        self._queue = FairQueue()

    async def acquire(self, client: str) -> None:
        """Wait for a slot, or raise a Problem; release() must follow."""
        if self._slots.has_for(client):
            self._slots.take(client)
            return
        if not self._queue_slots.has_for(client):
            raise Problem(*UNAVAILABLE)
        self._queue_slots.take(client)
        try:
            await self._wait(client)
        finally:
            self._queue_slots.give_back(client)

    def release(self, client: str) -> None:
        """Return a slot, and pass it to the next request that may have one."""
        self._slots.give_back(client)
        while (next_client := self._queue.call(self._slots.has_for)) is not None:
            self._slots.take(next_client)

    async def _wait(self, client: str) -> None:
        turn = self._queue.join(client)
        try:
            async with asyncio.timeout(self._limits.queue_timeout):
                await turn
        except BaseException as error:
            if turn.cancelled():
                self._queue.leave(client, turn)
            else:  # its turn came at the same moment
                self.release(client)
            if isinstance(error, TimeoutError):
                raise Problem(*UNAVAILABLE) from None
            raise
