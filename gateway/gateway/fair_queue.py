"""A queue in which clients take turns."""

import asyncio
from collections import deque
from collections.abc import Callable


class FairQueue:
    """Those who wait, by client: the requests of one do not wait behind all of another's.

    Clients are addresses.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # in the order of their turns

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def join(self, client: str) -> asyncio.Future[None]:
        """Return a future that is done when it is its turn."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        return turn

    def leave(self, client: str, turn: asyncio.Future[None]) -> None:
        """Remove a future that need not be done any more."""
        turns = self._waiting.get(client, deque())
        if turn in turns:
            turns.remove(turn)
        if not turns:
            self._waiting.pop(client, None)

    def call(self, may_go: Callable[[str], bool] = lambda _client: True) -> str | None:
        """Let the next who may go on do so, and return its client; None if nobody may."""
        while (client := next(filter(may_go, self._waiting), None)) is not None:
            turns = self._waiting.pop(client)
            turn = turns.popleft()
            if turns:
                self._waiting[client] = turns  # behind the other clients
            if not turn.done():  # otherwise its request has ended
                turn.set_result(None)
                return client
        return None
