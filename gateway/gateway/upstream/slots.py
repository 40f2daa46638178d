"""A bound on how many requests an upstream has at once."""

import asyncio
from typing import Literal

from gateway.problems import RETRY_SOON, Problem
from gateway.routes import UpstreamLimits

UNAVAILABLE = (503, "The service is not available at the moment.", RETRY_SOON)


class Slots(asyncio.Semaphore):
    """A semaphore with a bounded queue and a bounded wait."""

    def __init__(self, slots: int, limits: UpstreamLimits) -> None:
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
