"""A request's body as it comes from the client."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from time import perf_counter

from starlette.types import Receive

from gateway.client.fault import Fault
from gateway.http1 import Headers, chunk
from gateway.problems import Problem

GATHERED = 65_536  # bytes to wait for before an upstream is asked
GATHER_TIMEOUT = 0.02  # seconds to wait for them: they are there, or the client is slow

TOO_LARGE = "The body is larger than this path accepts."


def check_length(fields: Mapping[bytes, bytes], limit: int) -> int:
    """Return the length of a body by its Content-Length, or raise a Problem beyond the limit."""
    length = int(fields.get(b"content-length", 0))
    if length > limit:
        raise Problem(413, TOO_LARGE)
    return length


class RequestBody:
    """Receives a body in parts, counts its bytes, and frames them as the client did.

    A body that is too large or breaks off raises a Problem.
    """

    def __init__(self, headers: Headers, receive: Receive, fault: Fault, limit: int) -> None:
        fields = dict(headers)
        length = check_length(fields, limit)
        self.is_chunked = b"transfer-encoding" in fields
        self.needs_continue = fields.get(b"expect", b"").lower() == b"100-continue"
        self.is_empty = self.is_complete = not (length or self.is_chunked)
        self.completed_at = perf_counter() if self.is_complete else 0.0
        self._fault = fault
        self._receive = receive
        self._room = limit  # bytes that may still come

    async def gather(self) -> bytes:
        """Wait a moment for all of a small body, so that a slow client holds no upstream."""
        gathered = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHER_TIMEOUT):
                while not (self.is_complete or self.needs_continue) and len(gathered) < GATHERED:
                    gathered += await self.read()
        return gathered

    async def read(self) -> bytes:
        """Return the next part, framed; `is_complete` says whether it is the last."""
        message = await self._receive()
        if message["type"] != "http.request" or self._fault.problem:
            raise self._fault.problem or Problem(400, "The request broke off.")
        data: bytes = message["body"]
        self._room -= len(data)
        if self._room < 0:
            raise Problem(413, TOO_LARGE)
        if not message["more_body"]:
            self.is_complete, self.completed_at = True, perf_counter()
        return chunk(data, is_last=self.is_complete) if self.is_chunked else data
