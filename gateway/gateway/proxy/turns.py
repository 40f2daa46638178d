"""The turns in which large bodies move on, so that other requests pass between their parts."""

import asyncio
from collections import deque


class Turns:
    """One turn in each round of the event loop, to read the next part of a large body.

    Without turns, a round would move a part of every body whose next one is there, and every other
    request would wait that long at each of its steps. Clients, which are addresses, take turns.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # by client

    async def wait(self, client: str) -> None:
        """Wait for the client's next turn."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._pass_on)
        turn = loop.create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        await turn

    def _pass_on(self) -> None:
        client = next(iter(self._waiting))
        turns = self._waiting.pop(client)
        turn = turns.popleft()
        if turns:
            self._waiting[client] = turns  # behind the other clients
        if not turn.done():  # otherwise its request has ended
            turn.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._pass_on)
