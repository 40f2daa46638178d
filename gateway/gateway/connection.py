"""One HTTP/1.1 connection to a replica, for one exchange after another (RFC 9112)."""
# ruff: noqa: D102 - asyncio and httptools name most methods here
# ruff: noqa: PLR2004 - what goes wrong and what a status means have names in the RFC

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any

import httptools

from gateway import config
from gateway.headers import values
from gateway.problems import Headers, Problem

HIGH_WATER = 65_536  # bytes of a response's body held for a slow client before reading stops
MAX_HEAD = 65_536
MAX_HEADERS = 200
BROKEN = (502, "The service broke off or gave no valid answer.")


class Lost(Problem):
    """The connection ended before the response did."""


class Connection(asyncio.Protocol):
    """Writes requests and parses responses: begin(), head(), then take() and more().

    What waits raises a Problem as soon as there is one; the connection is then of no
    more use. Deadlines are noticed by check(), to be called about ten times a second.
    """

    def __init__(self, limits: config.Upstream) -> None:
        self.limits = limits
        self.complete, self._reusable = True, False  # no exchange is under way
        self._loop = asyncio.get_running_loop()
        self._due = inf  # when what waits, or the rest, will have lasted too long
        self._error: Exception | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._is_writable = True

    # What the proxy calls.

    def begin(self, data: bytes, *, bodyless: bool, sent: bool) -> None:
        """Start an exchange by writing the request, or a part of it when that is not all."""
        self.status = self.received = 0  # there is a status when the head is whole
        self._held = 0  # bytes of the response's body that nobody took yet
        self._sent = sent
        self.complete = self._reusable = False
        self._due = inf
        self._bodyless = bodyless
        self._may_continue = False
        self._chunks: list[bytes] = []
        self._parser: Any = httptools.HttpResponseParser(self)
        self._transport.write(data)

    async def write(self, data: bytes, *, sent: bool) -> None:
        """Write more of the request, `sent` with its end; wait until the upstream took it."""
        if not self._transport.is_closing():
            self._transport.write(data)
        await self._until(lambda: self._is_writable, self.limits.between_bytes_timeout)
        self._sent = sent
        self._wake()

    async def permission(self, seconds: float) -> bool:
        """Wait for 100 Continue or so many seconds; False when a response came instead."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._until(lambda: self._may_continue or self.status)
        return not self.status

    async def head(self) -> None:
        """Wait for the response's status and headers, in time from the request's end on."""
        await self._until(lambda: self.status or self._sent)
        await self._until(lambda: self.status, self.limits.first_byte_timeout)

    async def more(self) -> None:
        """Wait until there is more of the body or its end."""
        await self._until(lambda: self._chunks or self.complete, self.limits.between_bytes_timeout)

    def take(self) -> bytes:
        """Return what has come of the body; `complete` tells whether that was its end."""
        data, self._chunks = b"".join(self._chunks), []
        self._held = 0
        self._transport.resume_reading()  # does nothing when it was not paused
        return data

    @property
    def is_free(self) -> bool:
        """Whether it is good for another exchange."""
        # What was promised but not sent would be taken from the next request, and a connection
        # that holds something may read no more.
        is_over = self._reusable and self._sent and self.complete and not self._held
        return is_over and not self._transport.is_closing()

    def close(self, error: Exception | None = None) -> None:
        """Close at once; what waits raises the error as soon as the connection is lost."""
        self._error = self._error or error
        self._transport.abort()

    def rest(self, seconds: float) -> None:
        """Close after so many seconds, unless an exchange begins before."""
        self._due = self._loop.time() + seconds

    def check(self, now: float) -> None:
        """Close when what waits, or the connection's rest, has lasted longer than it may."""
        if now > self._due:
            self.close(Problem(504, "The service took too long to answer."))

    async def _until(self, condition: Callable[[], object], seconds: float = inf) -> None:
        while not condition():
            if self._error:
                raise self._error
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            self._due = min(self._due, self._loop.time() + seconds)
            await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                self._due = inf  # who goes on waiting sets it anew, for something moved
                waiter.set_result(None)

    # What the transport calls.

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport

    def pause_writing(self) -> None:
        self._is_writable = False

    def resume_writing(self) -> None:
        self._is_writable = True
        self._wake()

    def data_received(self, data: bytes) -> None:
        if self.complete:
            self.close(Problem(*BROKEN))  # nobody asked: RFC 9112, section 9.2
            return
        self.received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._reusable = False  # what follows a whole response belongs to none
            if not self.complete:
                self.close(Problem(*BROKEN))
        if self.received > MAX_HEAD and not self.status:
            self.close(Problem(*BROKEN))
        if self._held > HIGH_WATER:
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and not (self.complete or self.status):
            self._rescue()
        if not (self.complete or self._error or exc) and self.status:  # perhaps the body's end
            framed = {b"transfer-encoding", b"content-length"} & dict(self.headers).keys()
            self.complete = not framed
        self._error = self._error or Lost(*BROKEN)
        self._parser = None  # which refers to this: nothing is left for the collector
        self._wake()

    def _rescue(self) -> None:
        """Read an answer that came before a write failed: an early refusal, most likely."""
        with suppress(OSError):
            sock = self._transport.get_extra_info("socket")
            with socket.fromfd(sock.fileno(), sock.family, sock.type) as last:
                while data := last.recv(HIGH_WATER, socket.MSG_DONTWAIT):
                    self.data_received(data)

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self.status:
            raise Problem(*BROKEN)
        self.headers: Headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:  # else a trailer, RFC 9110, section 6.5.1
            self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        self._may_continue = self._may_continue or status == 100
        if status != 101 and 100 <= status < 200:
            return
        codings = [value.lower() for value in values(self.headers, b"transfer-encoding")]
        is_framed_well = codings in ([], [b"chunked"])
        if not (200 <= status <= 599 and is_framed_well and len(self.headers) <= MAX_HEADERS):
            raise Problem(*BROKEN)
        self.status = status
        self._reusable = self._parser.should_keep_alive()
        self.complete = self._bodyless  # the parser does not know that this answers a HEAD

    def on_body(self, body: bytes) -> None:
        if self.complete:
            raise Problem(*BROKEN)
        self._chunks.append(body)
        self._held += len(body)

    def on_message_complete(self) -> None:
        self.complete = self.status > 0
