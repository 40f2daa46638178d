"""A queue in which clients take turns."""

import asyncio
from collections import deque
from collections.abc import Callable


class FairQueue:
    """Requests that wait, by client: none waits behind all requests of another client.

    A client is an address.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # in the order of their turns

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def join(self, client: str) -> asyncio.Future[None]:
        """Return a turn: a future that is done when the request may go on."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        return turn

    def leave(self, client: str, turn: asyncio.Future[None]) -> None:
        """Remove a turn that nobody waits for any more."""
        turns = self._waiting.get(client, deque())
        if turn in turns:
            turns.remove(turn)
        if not turns:
            self._waiting.pop(client, None)

    def call(self, may_go: Callable[[str], bool] = lambda _client: True) -> str | None:
        """Complete the next turn of a client that may go on. Return the client, or None."""
        while (client := next(filter(may_go, self._waiting), None)) is not None:
            turns = self._waiting.pop(client)
            turn = turns.popleft()
            if turns:
                self._waiting[client] = turns  # behind the other clients
            if not turn.done():  # otherwise its request has ended
                turn.set_result(None)
                return client
        return None
