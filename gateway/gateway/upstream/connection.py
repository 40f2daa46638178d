"""An HTTP/1.1 connection to a replica, for one exchange after another (RFC 9112)."""
# ruff: noqa: D102 - asyncio and httptools name most methods here
# ruff: noqa: PLR2004 - the RFC names the statuses

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from math import inf
from typing import Any

import httptools

from gateway.http1 import FRAMING, Headers, codings
from gateway.problems import Problem
from gateway.routes import UpstreamLimits

HIGH_WATER = 65_536  # bytes of a response's body held for a slow client before reading stops
MAX_HEAD = 65_536
MAX_HEADERS = 200
BROKEN = (502, "The service broke off its response or sent an invalid one.")
TOO_SLOW = (504, "The service took too long to respond.")


class State(Enum):
    """The progress of the exchange on a connection."""

    IDLE = auto()  # there is none
    SENDING = auto()  # a part of the request has been sent
    AWAITING_HEAD = auto()  # the whole request has been sent
    RECEIVING = auto()  # the response has begun, perhaps before the request's end
    DONE = auto()  # the response is complete


# Plain names, since Python 3.11 is slow to look up the members of an Enum.
IDLE, SENDING, AWAITING_HEAD, RECEIVING, DONE = State
OVER = (IDLE, DONE)


class Lost(Problem):
    """The connection ended before the response did."""


class MovedOn(Problem):
    """The replica hangs, and the request may be sent to another."""


class UpstreamConnection(asyncio.Protocol):
    """Sends a request and receives its response, with a deadline for each step.

    A method that waits raises a Problem when the exchange fails; the connection is then useless.
    Call check() about ten times a second: it enforces the deadlines.
    """

    def __init__(self, limits: UpstreamLimits, address: tuple[str, int]) -> None:
        self._limits = limits
        self.address = address
        self.state = IDLE
        self.status = self.received = 0  # of the response: its status, and bytes of all of it
        self.headers: Headers = []
        self._loop = asyncio.get_running_loop()
        self._due = inf
        self._error: Exception | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._chunks: list[bytes] = []  # received and not taken yet
        self._held = 0  # bytes of them
        self._is_writable = True
        self._request_is_sent = True
        self._may_continue = self._is_reusable = self._is_bodyless = self._may_move = False
        self._parser: Any = None

    # The exchange.

    def begin(
        self, data: bytes, *, is_complete: bool, is_bodyless: bool = False, may_move: bool = False
    ) -> None:
        """Send a request or its first part.

        A response is bodyless if it answers HEAD. A request that may move can be sent to another
        replica even if this one answers it later.
        """
        self.state = AWAITING_HEAD if is_complete else SENDING
        self.status = self.received = self._held = 0
        self._chunks = []
        self._request_is_sent = is_complete
        self._is_bodyless = is_bodyless
        self._may_move = may_move
        self._may_continue = self._is_reusable = False
        self._due = inf
        self._parser = httptools.HttpResponseParser(self)
        if not self._transport.is_closing():  # else uvloop raises, for a replica that has just left
            self._transport.write(data)

    async def send(self, data: bytes, *, is_last: bool) -> None:
        """Send more of the request and wait until the upstream has room for the next part."""
        if not self._transport.is_closing():
            self._transport.write(data)
        await self._until(lambda: self._is_writable, self._limits.between_bytes_timeout)
        self._request_is_sent = is_last
        if is_last and self.state is SENDING:
            self.state = AWAITING_HEAD
        self._wake()

    async def may_send_body(self, seconds: float) -> bool:
        """Wait for 100 Continue or a response, for `seconds` at most.

        Return False if a response came, otherwise True.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._until(lambda: self._may_continue or self.status)
        return not self.status

    async def receive_head(self) -> None:
        """Wait for the response's status and headers. The time begins when the request is sent."""
        await self._until(lambda: self.state is not SENDING)
        await self._until(lambda: self.status, self._limits.first_byte_timeout)

    async def receive_more(self) -> None:
        """Wait for more of the response's body or for its end."""
        await self._until(
            lambda: self._chunks or self.state is DONE, self._limits.between_bytes_timeout
        )

    def take(self) -> bytes:
        """Return what has been received of the body; if the state is DONE, it is the rest."""
        data, self._chunks = b"".join(self._chunks), []
        self._held = 0
        self._transport.resume_reading()  # does nothing unless reading was paused
        return data

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
                self._due = inf  # there was progress: a method that waits on sets a new deadline
                waiter.set_result(None)

    # The life of the connection.

    @property
    def is_free(self) -> bool:
        """True if another exchange can begin here."""
        # The next request must not be taken for the missing rest of this one. A connection that
        # holds a part of a body may have stopped reading.
        is_over = self.state in OVER and self._request_is_sent and not self._held
        return is_over and self._is_reusable and not self._transport.is_closing()

    def rest(self, seconds: float) -> None:
        """Close after `seconds` without a new exchange."""
        self.state = IDLE
        self._due = self._loop.time() + seconds

    def close(self, error: Exception | None = None) -> None:
        """Close at once; methods that wait raise the error when the connection is lost."""
        self._error = self._error or error
        self._transport.abort()

    def move_on(self) -> None:
        """Close the connection if its request waits for a response and may move."""
        if self.state is AWAITING_HEAD and self._may_move:
            self.close(MovedOn(*TOO_SLOW))

    def check(self) -> None:
        """Close the connection if its deadline has passed."""
        if self._loop.time() > self._due:
            self.close(Problem(*TOO_SLOW))

    # Called by the transport.

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport

    def pause_writing(self) -> None:
        self._is_writable = False

    def resume_writing(self) -> None:
        self._is_writable = True
        self._wake()

    def data_received(self, data: bytes) -> None:
        if self.state in OVER:
            self.close(Problem(*BROKEN))  # there is no request: RFC 9112, section 9.2
            return
        self.received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._is_reusable = False  # data after a complete response belongs to no request
            if self.state is not DONE:
                self.close(Problem(*BROKEN))
        if self.received > MAX_HEAD and not self.status:
            self.close(Problem(*BROKEN))
        if self._held > HIGH_WATER:
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and self.state in (SENDING, AWAITING_HEAD):
            self._read_the_rest()
        is_framed = not FRAMING.isdisjoint(dict(self.headers))
        if self.state is RECEIVING and not (is_framed or self._error or exc):
            self.state = DONE  # only the connection's end could end this body
        self._error = self._error or Lost(*BROKEN)
        self._parser = None  # it refers to this object; now no reference cycle is left
        self._wake()

    def _read_the_rest(self) -> None:
        """Read a response that came before writing failed, such as an early refusal."""
        with suppress(OSError):
            sock = self._transport.get_extra_info("socket")
            with socket.fromfd(sock.fileno(), sock.family, sock.type) as last:
                while data := last.recv(HIGH_WATER, socket.MSG_DONTWAIT):
                    self.data_received(data)

    # Called by the parser.

    def on_message_begin(self) -> None:
        if self.status:
            raise Problem(*BROKEN)
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:  # otherwise it is a trailer: RFC 9110, section 6.5.1
            self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        self._may_continue = self._may_continue or status == 100
        if status != 101 and 100 <= status < 200:
            return
        is_framed_well = codings(self.headers) in ([], [b"chunked"])
        if not (200 <= status <= 599 and is_framed_well and len(self.headers) <= MAX_HEADERS):
            raise Problem(*BROKEN)
        self.status = status
        self._is_reusable = self._parser.should_keep_alive()
        # The parser does not know that a response to HEAD has no body.
        self.state = DONE if self._is_bodyless else RECEIVING

    def on_body(self, body: bytes) -> None:
        if self.state is DONE:
            raise Problem(*BROKEN)
        self._chunks.append(body)
        self._held += len(body)

    def on_message_complete(self) -> None:
        if self.status:
            self.state = DONE
