"""The turns of large bodies, so that other requests pass between their parts."""

import asyncio

from gateway.fair_queue import FairQueue


class Turns:
    """One turn in each round of the event loop, to read the next part of a large body.

    Without turns, a round would move a part of every body that has one, and every other request
    would wait for all of them at each of its steps.
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
