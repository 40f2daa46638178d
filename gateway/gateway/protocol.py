"""uvicorn's HTTP/1.1 connection, made strict, patient only so long, and able to break off."""
# ruff: noqa: D102 - asyncio, httptools and uvicorn name most methods here

import asyncio
import re
import struct
from http import HTTPStatus
from math import inf
from socket import SO_LINGER, SOL_SOCKET
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from gateway.config import Client
from gateway.problems import CLOSE, Headers, Problem

LINGER = 3.0  # seconds in which a client may still send what nobody reads: RFC 9112, section 9.6
HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+;=-]+)(:[0-9]{0,5})?")
ABSOLUTE = re.compile(rb"https?://([^/?#@]+)([/?].*)?", re.IGNORECASE)


class Cycle(RequestResponseCycle):
    """One request and its response, framed as its client can read it: RFC 9112, section 6.3."""

    protocol: "Protocol"
    _head = b""
    _bodyless = _chunked = _has_end = False

    async def run_asgi(self, app: Any) -> None:
        await super().run_asgi(app)
        if self.response_started and not (self.response_complete or self._has_end):
            # A close is the end that such a body has: only a reset tells that it is not whole.
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()

    async def send(self, message: Any) -> None:
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
        names = {name for name, _ in fields}
        sized = self._bodyless or b"content-length" in names
        self._has_end = sized or self.scope["http_version"] == "1.1"
        self._chunked = self._has_end and not sized
        if self.more_body or not self._has_end or self.protocol.app.health.draining:
            self.keep_alive = False
        own = [] if b"date" in names else self.default_headers
        own = own + [(b"transfer-encoding", b"chunked")] * self._chunked
        own += [] if self.keep_alive else [CLOSE]
        lines = b"".join([b"%b: %b\r\n" % field for field in (*fields, *own)])
        return b"%b%b\r\n" % (STATUS_LINE[status], lines)

    def _write(self, body: bytes, *, more: bool) -> None:
        if self._bodyless:
            body = b""
        elif self._chunked:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            body = body if more else body + b"0\r\n\r\n"
        self.transport.write(self._head + body)
        self._head = b""
        if not more:
            self.response_complete = True
            self.message_event.set()
            self.protocol.on_last_written(self)


class Protocol(HttpToolsProtocol):
    """Holds clients to the limits; check() is to be called about twice a second.

    What cannot be a request, or stops being one in its body, reaches the application as a
    "problem" in the scope. A client that goes away cancels its request's task.
    """

    app: Any  # the Proxy
    cycle: Any
    scope: Any
    timeout_keep_alive: Any

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.limits: Client = self.app.table.client
        self.timeout_keep_alive = self.limits.keep_alive
        self._task: asyncio.Task[None] | None = None
        self._due = self._stalled_at = inf
        self._unparsed = self._head_size = 0
        self._in_head = self._is_deaf = False

    # What the transport calls.

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.on_message_begin()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._unparsed += len(data)  # the parser's callbacks set it to 0
        try:
            self.parser.feed_data(data)
            if self._unparsed > self.limits.max_header_bytes:
                self._fail(Problem(431, "A header field is too large."))
        except httptools.HttpParserUpgrade as stop:
            self._go_on_without_upgrade(data[stop.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            invalid = Problem(400, "This is not valid HTTP.")
            self._fail(cause if isinstance(cause, Problem) else invalid)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._task:
            self._task.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_at = self.loop.time()

    # What the parser calls.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._unset_keepalive_if_required()
        self._in_head = True
        self._head_size = 0
        self._due = self.loop.time() + self.limits.header_timeout

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._unparsed = 0
        if len(self.url) > self.limits.max_target:
            raise Problem(414, "The request's target is too long.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._unparsed = 0
        self._head_size += len(name) + len(value) + 4
        if self._in_head:  # else it is a trailer: RFC 9110, section 6.5.1
            super().on_header(name, value.rstrip(b" \t"))
        if len(self.headers) > self.limits.max_headers:
            raise Problem(431, "There are too many header fields.")
        if self._head_size > self.limits.max_header_bytes:
            raise Problem(431, "The header fields are too large.")

    def on_headers_complete(self) -> None:
        method, version = self.parser.get_method().decode(), self.parser.get_http_version()
        if self._asks_for_upgrade():
            return
        self._check_target(method)
        self._check_headers(version)
        self.expect_100_continue &= version == "1.1"
        self._in_head = False
        self._due = self.loop.time() + self.limits.body_timeout
        keep_alive = version == "1.1" and self.parser.should_keep_alive() and method != "CONNECT"
        self._begin(keep_alive=keep_alive, method=method, http_version=version)

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        self._due += len(body) / self.limits.min_body_rate
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._asks_for_upgrade():
            super().on_message_complete()
            self._due = inf

    # What is judged of a request's head.

    def _check_target(self, method: str) -> None:
        """Turn an absolute target into a path and a Host: RFC 9112, section 3.2."""
        if absolute := ABSOLUTE.fullmatch(self.url):
            self.headers[:] = [(n, absolute[1] if n == b"host" else v) for n, v in self.headers]
            rest = absolute[2] or b""
            self.url = rest if rest.startswith(b"/") else b"/" + rest
        is_other = method == "CONNECT" or (method == "OPTIONS" and self.url == b"*")
        if not (self.url.startswith(b"/") or is_other):
            raise Problem(400, "The request's target is malformed.")

    def _check_headers(self, version: str) -> None:
        """Refuse what could mean two things: RFC 9112, sections 2.5, 3.2, 6.1 and 6.3."""
        hosts = [value for name, value in self.headers if name == b"host"]
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if version not in ("1.1", "1.0"):  # 0.9 is what the parser calls a line without a version
            status = 400 if version == "0.9" else 505
            raise Problem(status, "This version of HTTP is not served here.")
        if codings and (codings != [b"chunked"] or version == "1.0"):
            raise Problem(400, "The framing of the request is ambiguous.")
        if version == "1.0" and not hosts:
            self.headers.append((b"host", b""))
        elif len(hosts) != 1 or not HOST.fullmatch(hosts[0]):
            raise Problem(400, "There must be one Host field, and a well-formed one.")

    def _asks_for_upgrade(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Parse the request once more as if it asked for no upgrade: RFC 9110, section 7.8.

        The parser takes what follows such a head for another protocol, a body too.
        """
        if self._asks_for_upgrade():
            start = b"%b %b HTTP/1.1\r\n" % (self.parser.get_method(), self.url)
            fields = [b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade"]
            self.parser = httptools.HttpRequestParser(self)
            self.data_received(start + b"".join(fields) + b"\r\n" + rest)

    # How requests begin and end.

    def _begin(self, *, keep_alive: bool, **scope: Any) -> None:
        raw_path, _, query = self.url.partition(b"?")
        path = unquote(raw_path.decode("latin-1"))
        self.scope |= {"raw_path": raw_path, "path": path, "query_string": query, **scope}
        running = self.cycle and not self.cycle.response_complete
        self.cycle = Cycle(
            *(self.scope, self.transport, self.flow, self.logger, self.access_logger, False),
            *(self.server_state.default_headers, asyncio.Event(), self.expect_100_continue),
            *(keep_alive, self.on_response_complete),
        )
        self.cycle.protocol = self
        if running:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))
        else:
            self._start_asgi_task(self.cycle, self.app)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._task = self.loop.create_task(cycle.run_asgi(app))
        self._task.add_done_callback(self.tasks.discard)
        self.tasks.add(self._task)

    def _fail(self, problem: Problem) -> None:
        """Have the problem answered, then close; nothing more is read."""
        if self.cycle and self.cycle.more_body and not self._in_head:
            self.cycle.scope["problem"] = problem
            self.cycle.keep_alive = False
            self.cycle.message_event.set()
        else:
            url = self.url[: self.limits.max_target]
            self.on_message_begin()
            self.url = url
            self._begin(keep_alive=False, method="", problem=problem)
        self._is_deaf = True
        self._due = inf

    def on_last_written(self, cycle: Cycle) -> None:
        """Go on with the next request; else close, but let the client finish what it sends."""
        if cycle.keep_alive:
            self.on_response_complete()
            return
        self._is_deaf = True
        self.pipeline.clear()
        self.flow.resume_reading()
        slow = self.transport.get_write_buffer_size() > 0
        self._due = self.loop.time() + (self.limits.send_timeout if slow else LINGER)
        if not self.transport.is_closing():
            self.transport.write_eof()

    def check(self, now: float) -> None:
        """Close, or answer 408, when the client has taken too long."""
        if self.flow.write_paused and now > self._stalled_at + self.limits.send_timeout:
            self.transport.abort()
        elif now < self._due:
            return
        elif self._is_deaf or not self.url:
            self.transport.abort()
        elif self.flow.read_paused or (self.cycle and self.cycle.waiting_for_100_continue):
            self._due = now + self.limits.body_timeout  # it is not the client that is slow
        else:
            self._fail(Problem(408, "The request took too long to arrive."))
