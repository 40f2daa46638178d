"""uvicorn's cycle of a request and its response, framed as the client can read it."""
# ruff: noqa: D102 - ASGI and uvicorn name the methods here

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from gateway.body import chunked
from gateway.headers import lines
from gateway.problems import CLOSE, Headers


class Cycle(RequestResponseCycle):
    """Frames by RFC 9112, section 6.3; tells its protocol when it has ended, and how."""

    def __init__(self, protocol: Any, *, keep_alive: bool) -> None:
        super().__init__(
            scope=protocol.scope,
            transport=protocol.transport,
            flow=protocol.flow,
            logger=protocol.logger,
            access_logger=protocol.access_logger,
            access_log=False,
            default_headers=protocol.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=protocol.expect_100_continue,
            keep_alive=keep_alive,
            on_response=protocol.on_response_complete,
        )
        self.protocol = protocol

    async def run_asgi(self, app: Any) -> None:
        self.protocol.task = asyncio.current_task()
        await super().run_asgi(app)
        if self.response_started and not (self.response_complete or self.disconnected):
            self.protocol.on_broken_off(is_seen=self._has_end)

    async def send(self, message: Any) -> None:
        if self.flow.write_paused:
            await self.flow.drain()
        if message["type"] == "http.response.start":
            self._head = self._framed(message["status"], message["headers"])
        elif not self.disconnected:
            self._write(message.get("body", b""), more=message.get("more_body", False))

    def _framed(self, status: int, fields: Headers) -> bytes:
        self.response_started = True
        self.waiting_for_100_continue = False
        self._bodyless = status in (204, 304) or self.scope["method"] == "HEAD"
        if status == HTTPStatus.NO_CONTENT:
            fields = [field for field in fields if field[0] != b"content-length"]
        by_name = dict(fields)
        sized = self._bodyless or b"content-length" in by_name
        self._has_end = sized or self.scope["http_version"] == "1.1"
        self._chunked = self._has_end and not sized
        if self.more_body or not self._has_end or self.protocol.app.draining:
            self.keep_alive = False
        own = [] if b"date" in by_name else self.default_headers
        own = own + [(b"transfer-encoding", b"chunked")] * self._chunked
        own += [] if self.keep_alive else [CLOSE]
        return STATUS_LINE[status] + lines([*fields, *own]) + b"\r\n"

    def _write(self, body: bytes, *, more: bool) -> None:
        if self._bodyless:
            body = b""
        elif self._chunked:
            body = chunked(body, is_last=not more)
        self.transport.write(self._head + body)
        self._head = b""
        if not more:
            self.response_complete = True
            self.message_event.set()
            self.protocol.on_last_written(self)
