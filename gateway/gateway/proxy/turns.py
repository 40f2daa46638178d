"""The turns in which large bodies move on, so that other requests pass between their parts."""

import asyncio

from gateway.fair_queue import FairQueue


class Turns:
    """One turn in each round of the event loop, to read the next part of a large body.

    Without turns, a round would move a part of every body whose next one is there, and every other
    request would wait that long at each of its steps.
    """

    def __init__(self) -> None:
        self._queue = FairQueue()

    async def wait(self, client: str) -> None:
        """Wait for the client's next turn."""
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._pass_on)
        await self._queue.join(client)

    def _pass_on(self) -> None:
        self._queue.call()
        if self._queue:
            asyncio.get_running_loop().call_soon(self._pass_on)
