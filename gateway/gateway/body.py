"""A request's body on its way from the client to the upstream."""

import asyncio
from contextlib import suppress

from starlette.types import Receive, Scope

from gateway.connection import Connection
from gateway.problems import Problem

GATHERED = 65_536  # bytes of a body that are waited for before an upstream is asked
GATHER_TIMEOUT = 0.02  # seconds to wait for them: they are there, or the client is slow
CONTINUE_TIMEOUT = 1.0  # seconds to wait for 100 Continue before the body is sent anyway

TOO_LARGE = "The body is larger than this path takes."


def chunked(data: bytes, *, is_last: bool) -> bytes:
    """Frame data as a chunk, with the body's end behind the last one: RFC 9112, section 7.1."""
    chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
    return chunk + b"0\r\n\r\n" if is_last else chunk


class Body:
    """Takes pieces from the client, counts them, and frames them as they came.

    Raises a Problem when the body is larger than its limit, or breaks off.
    """

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        fields = dict(scope["headers"])
        length = int(fields.get(b"content-length", 0))
        if length > limit:
            raise Problem(413, TOO_LARGE)
        self.chunked = b"transfer-encoding" in fields
        self.expects = fields.get(b"expect", b"").lower() == b"100-continue"
        self.empty = self.ended = not (length or self.chunked)
        self._scope = scope
        self._receive = receive
        self._room = limit  # bytes that may still come
        self.gathered = b""  # framed for the upstream, as all that is read

    async def gather(self) -> None:
        """Wait a moment for all of a small body, so that a slow client holds no upstream."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHER_TIMEOUT):
                while not (self.ended or self.expects) and len(self.gathered) < GATHERED:
                    self.gathered += await self._read()

    async def pump(self, connection: Connection) -> None:
        """Send the rest; what goes wrong with the client's side ends the exchange."""
        try:
            if self.expects and not await connection.permission(CONTINUE_TIMEOUT):
                return
            while not self.ended:
                await connection.write(await self._read(), sent=self.ended)
        except Problem as error:
            connection.close(error)

    async def _read(self) -> bytes:
        message = await self._receive()
        if message["type"] != "http.request" or "problem" in self._scope:
            raise self._scope.get("problem") or Problem(400, "The request broke off.")
        data: bytes = message["body"]
        self._room -= len(data)
        if self._room < 0:
            raise Problem(413, TOO_LARGE)
        self.ended = not message["more_body"]
        return chunked(data, is_last=self.ended) if self.chunked else data
