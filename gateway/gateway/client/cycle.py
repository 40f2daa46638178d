"""uvicorn's cycle of a request and its response, with the framing of this gateway."""
# ruff: noqa: D102 - ASGI and uvicorn name the methods here

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from gateway.http1 import CLOSE, Headers, chunk, field_lines

if TYPE_CHECKING:
    from gateway.client.connection import ClientConnection

# A plain name, since Python 3.11 is slow to look up the members of an Enum.
NO_CONTENT = HTTPStatus.NO_CONTENT
BODYLESS = (NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class Cycle(RequestResponseCycle):
    """Frames the response by RFC 9112, section 6.3, and reports its end to the connection."""

    def __init__(self, connection: "ClientConnection", *, keep_alive: bool) -> None:
        super().__init__(
            scope=connection.scope,
            transport=connection.transport,
            flow=connection.flow,
            logger=connection.logger,
            access_logger=connection.access_logger,
            access_log=False,
            default_headers=connection.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=connection.expect_100_continue,
            keep_alive=keep_alive,
            on_response=lambda: None,  # instead, send() calls on_last_written()
        )
        self.connection = connection

    async def run_asgi(self, app: Any) -> None:
        if self.transport.is_closing():
            return  # the client left before this task began
        self.connection.running, self.connection.task = self, asyncio.current_task()
        await super().run_asgi(app)
        if self.response_started and not (self.response_complete or self.disconnected):
            self.connection.on_broken_off(is_seen=self._has_end)

    async def send(self, message: Any) -> None:
        if self.flow.write_paused:
            await self.flow.drain()
        if message["type"] == "http.response.start":
            self._head = self._framed(message["status"], message["headers"])
        elif not self.disconnected:
            self._write(message.get("body", b""), is_last=not message.get("more_body", False))

    def _framed(self, status: int, fields: Headers) -> bytes:
        self.response_started = True
        self.waiting_for_100_continue = False
        self._is_bodyless = status in BODYLESS or self.scope["method"] == "HEAD"
        if status == NO_CONTENT:
            fields = [field for field in fields if field[0] != b"content-length"]
        by_name = dict(fields)
        has_length = self._is_bodyless or b"content-length" in by_name
        # Whether the client can see where the response ends, other than by the connection's end.
        self._has_end = has_length or self.scope["http_version"] == "1.1"
        self._is_chunked = self._has_end and not has_length
        if self.more_body or not self._has_end or self.connection.app.state.draining:
            self.keep_alive = False
        fields = [*fields]
        if b"date" not in by_name:
            fields += self.default_headers
        if self._is_chunked:
            fields.append((b"transfer-encoding", b"chunked"))
        if not self.keep_alive:
            fields.append(CLOSE)
        return STATUS_LINE[status] + field_lines(fields) + b"\r\n"

    def _write(self, body: bytes, *, is_last: bool) -> None:
        if self._is_bodyless:
            body = b""
        elif self._is_chunked:
            body = chunk(body, is_last=is_last)
        if not self.transport.is_closing():  # else uvloop raises, for a client that has just left
            self.transport.write(self._head + body)
        self._head = b""
        if is_last:
            self.response_complete = True
            self.message_event.set()
            self.connection.on_last_written(self)
