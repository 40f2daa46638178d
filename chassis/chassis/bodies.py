"""Bodies in memory: how much of them at once, and how many values a document may have."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import TypeVar

from fastapi import Request
from starlette.exceptions import HTTPException

from chassis.addresses import get_client_network
from chassis.schemas import MAX_VALUES
from chassis.shares import Shares

T = TypeVar("T")

BODY_LIMIT = 2 * 1024 * 1024  # bytes
SMALL = 64 * 1024  # bytes: such a body waits for nothing
ROOM = 64 * 1024 * 1024  # bytes: the large bodies that a process holds at once
READ_AT_ONCE = 2  # large documents that become Python's objects, which may take ten times as much
REST = 4  # The event loop is free for this many times as long as the last large document took.
PATIENCE = 3  # seconds until a large body that waits is answered with 503

TOO_LARGE = f"The body is larger than {BODY_LIMIT} bytes."


class Room:
    """The memory for large bodies. A request keeps its share until its answer has been sent."""

    def __init__(self, size: int = ROOM) -> None:
        self._shares = Shares(size)
        self._freed = asyncio.Event()
        self._places = asyncio.Semaphore(READ_AT_ONCE)
        self._parsing = asyncio.Lock()
        self._rest_until = 0.0

    async def wait_for_bytes(self, request: Request) -> None:
        """Wait until there is room for the whole body, or raise HTTPException."""
        size = int(request.headers.get("content-length", BODY_LIMIT))
        if size > BODY_LIMIT:
            raise HTTPException(413, TOO_LARGE)
        client = await get_client_network(request)
        async with _patience():
            while not self._shares.has_for(client, size):
                self._freed.clear()
                await self._freed.wait()
        self._shares.take(client, size)
        _end_of(request).callback(self._give_back, client, size)

    async def parse(self, request: Request, parse: Callable[[], T]) -> T:
        """Parse a large document when its turn comes, or raise HTTPException if that takes long."""
        async with _patience():
            await self._places.acquire()
        _end_of(request).callback(self._places.release)
        async with self._parsing:
            await asyncio.sleep(self._rest_until - monotonic())
            began = monotonic()
            try:
                return parse()
            finally:
                ended = monotonic()
                self._rest_until = ended + REST * (ended - began)

    def _give_back(self, client: str, size: int) -> None:
        self._shares.give_back(client, size)
        self._freed.set()


@asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    """Run the block, or raise HTTPException after PATIENCE seconds."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError:
        detail = "Too many large bodies are being read at the moment."
        raise HTTPException(503, detail, {"Retry-After": "1"}) from None


def _end_of(request: Request) -> AsyncExitStack:
    """Return FastAPI's stack that is closed after the answer, also after that of an error.

    An error holds the document until then.
    """
    stack: AsyncExitStack = request.scope["fastapi_middleware_astack"]
    return stack


def has_too_many_values(document: bytes) -> bool:
    """Return whether a JSON document has over MAX_VALUES values, without reading it.

    To read a million of them would hold the event loop for a second. This takes 7 ms at most.
    """
    if len(document) <= MAX_VALUES or _marks([document]) < MAX_VALUES:
        return False
    without_escapes = document.replace(b"\\\\", b"").replace(b'\\"', b"")
    if without_escapes.count(b'"') > 4 * MAX_VALUES:  # two for each value and two for its name
        return True
    return _marks(without_escapes.split(b'"')[::2]) >= MAX_VALUES  # the parts outside of strings


def _marks(parts: Iterable[bytes]) -> int:
    """Return the number of values less one: each follows a comma or the start of a list.

    A count ends at MAX_VALUES.
    """
    return sum(
        len(part.split(mark, MAX_VALUES)) - 1 for part in parts for mark in (b",", b"[", b"{")
    )
