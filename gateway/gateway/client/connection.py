"""A client's HTTP/1.1 connection: uvicorn's protocol with strict parsing, limits and deadlines."""
# ruff: noqa: D102 - asyncio, httptools and uvicorn name most methods here

import asyncio
import select
import struct
from enum import Enum, auto
from math import inf
from socket import SO_LINGER, SOL_SOCKET
from typing import Any
from urllib.parse import unquote

import httptools

from chassis.logs import HEALTH
from chassis.protocol import Connection
from gateway.client.admission import Admission
from gateway.client.cycle import Cycle
from gateway.client.fault import CLIENT_LEFT, EXTENSION, Fault
from gateway.client.head import check_fields, origin_form
from gateway.problems import RETRY_SOON, Problem
from gateway.routes import ClientLimits

LINGER = 3.0  # seconds in which a client may finish what it sends: RFC 9112, section 9.6
HALF_CLOSED = 0.05  # seconds for the answer to a client that ended its side: it may have left
MAX_PIPELINED = 16  # requests that wait behind the one that is being answered
CLOSED = getattr(select, "POLLRDHUP", 0)  # without it POLLHUP reports the end, but later


class State(Enum):
    """The state of a connection, by its newest request."""

    IDLE = auto()  # every request has its answer
    READING_HEAD = auto()  # also before the first request
    READING_BODY = auto()
    ANSWERING = auto()  # the request is complete
    REFUSING = auto()  # its answer is the last; nothing more is read
    LINGERING = auto()  # everything is answered; the client may finish what it sends


# Plain names, since Python 3.11 is slow to look up the members of an Enum.
IDLE, READING_HEAD, READING_BODY, ANSWERING, REFUSING, LINGERING = State
DEAF = (REFUSING, LINGERING)


class ClientConnection(Connection):
    """Holds a client to its limits. Call check() about ten times a second for the deadlines.

    An invalid request reaches the application with a Fault. When the client goes away, the task
    of its request is cancelled.
    """

    app: Any  # the Gateway
    cycle: Any
    scope: Any

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._limits: ClientLimits = self.app.proxy.routes.client
        self._admission: Admission = self.app.state.admission
        self.running: Cycle | None = None  # that of the request that is being answered
        self.task: asyncio.Task[Any] | None = None  # and its task
        self.state = READING_HEAD
        self._fault = Fault()
        self._due = self._body_due = self._stalled_at = inf
        self._unparsed = self._head_size = 0  # bytes
        self._beyond: Problem | None = None  # the limit that this connection exceeds

    # Called by the transport.

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        is_proxy = self.app.proxy.trusted.include(self._peer)  # it has many clients
        self._beyond = self._admission.add(self._peer, is_proxy=is_proxy)
        if self._admission.is_far_beyond(self._peer, is_proxy=is_proxy):
            self.transport.abort()
        self.on_message_begin()

    def data_received(self, data: bytes) -> None:
        if self.state in DEAF:
            return
        self._unparsed += len(data)  # the parser's callbacks set it to 0
        try:
            self._feed(data)
            if self._unparsed > self._limits.max_header_bytes:
                self._refuse(Problem(431, "A header field is too large."))
        except httptools.HttpParserError as error:
            cause = error.__context__
            invalid = Problem(400, "The request is not valid HTTP.")
            self._refuse(cause if isinstance(cause, Problem) else invalid)

    def eof_received(self) -> bool:  # type: ignore[override] # as in asyncio
        """Keep the connection a moment longer, since the client may still read its answer."""
        if self._is_answering():
            self.loop.call_later(HALF_CLOSED, self._leave)
        return self._is_answering()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._admission.remove(self._peer, was_admitted=not self._beyond)
        if self.running:
            self.running.disconnected = True  # uvicorn marks the newest request only
        if self.running and self.task and not self.running.response_complete:
            self.task.cancel(CLIENT_LEFT)
        self.cycle = self.running = None  # they refer to this object; no reference cycle is left

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_at = self.loop.time()

    # Called by the parser.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.state = READING_HEAD
        self._head_size = 0
        self._due = self.loop.time() + self._limits.header_timeout

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._unparsed = 0
        if len(self.url) > self._limits.max_target:
            raise Problem(414, "The request target is too long.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._unparsed = 0
        self._head_size += len(name) + len(value) + 4
        if self.state is READING_HEAD:  # otherwise it is a trailer: RFC 9110, section 6.5.1
            super().on_header(name, value.rstrip(b" \t"))
        if len(self.headers) > self._limits.max_headers:
            raise Problem(431, "There are too many header fields.")
        if self._head_size > self._limits.max_header_bytes:
            raise Problem(431, "The header fields are too large.")

    def on_headers_complete(self) -> None:
        method, version = self.parser.get_method().decode(), self.parser.get_http_version()
        if self._is_upgrade():
            return  # the head will be parsed once more
        self.scope["method"] = method
        check_fields(version, self.headers)
        self.url = origin_form(method, self.url, self.headers)
        if self._beyond and self.url.partition(b"?")[0].decode("latin-1") not in HEALTH:
            raise self._beyond
        if len(self.pipeline) >= MAX_PIPELINED:
            raise Problem(429, "Too many requests wait on this connection.", RETRY_SOON)
        self.expect_100_continue &= version == "1.1"
        self.state = READING_BODY
        now = self.loop.time()
        self._due = now + self._limits.body_timeout
        self._body_due = now + self._limits.body_limit
        keep_alive = version == "1.1" and self.parser.should_keep_alive() and method != "CONNECT"
        self.scope["http_version"] = version
        self._begin(keep_alive=keep_alive and not self._beyond)

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        self._due = min(self._due + len(body) / self._limits.min_body_rate, self._body_due)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.state is READING_BODY:  # otherwise an upgrade was asked for
            super().on_message_complete()
            self.state = ANSWERING
            self._due = inf  # the upstream has deadlines of its own

    # From a request to its answer.

    def _begin(self, *, keep_alive: bool) -> None:
        """Start the task of the newest request, or queue it behind the one before."""
        raw_path, _, query = self.url.partition(b"?")
        self.scope["raw_path"] = raw_path
        self.scope["path"] = unquote(raw_path.decode("latin-1"))
        self.scope["query_string"] = query
        self._fault = Fault()
        self.scope["extensions"] = {EXTENSION: self._fault}
        is_next = self._is_answering()
        self.cycle = Cycle(self, keep_alive=keep_alive)
        if is_next:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))
        else:
            self._start_asgi_task(self.cycle, self.app)

    def _refuse(self, problem: Problem) -> None:
        """Answer with the problem, then close. Nothing more is read."""
        if self.state is READING_BODY:
            self.cycle.keep_alive = False
            self.cycle.message_event.set()
        else:
            self.url = self.url[: self._limits.max_target]
            # The parser names a method even before the request line is complete.
            method = self.parser.get_method().decode() if self.headers else ""
            self.scope.setdefault("method", method)
            self._begin(keep_alive=False)
        self._fault.problem = problem
        self.state = REFUSING
        self._due = inf

    def on_last_written(self, cycle: Cycle) -> None:
        """Go on with the next request, or close."""
        if not cycle.keep_alive:
            self._close_gently()
            return
        self.flow.resume_reading()
        if self.pipeline and not self.transport.is_closing():  # nothing would end a new task then
            self._start_asgi_task(*self.pipeline.pop())
        elif self.state is ANSWERING:
            self.state = IDLE
            self._due = self.loop.time() + self._limits.keep_alive

    def on_broken_off(self, *, is_seen: bool) -> None:
        """Close in the middle of a response, by a reset unless the client sees that it is cut."""
        if is_seen:
            self._close_gently()
        else:
            self._leave()

    def _is_answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete

    # The end of the connection.

    def _leave(self) -> None:
        """Close, by a reset if the client may still wait for more of a response."""
        if self._is_answering():
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()

    def _close_gently(self) -> None:
        """Close, but let the client read everything written and finish what it sends."""
        is_slow = self.transport.get_write_buffer_size() > 0
        self.state = LINGERING
        self._due = self.loop.time() + (self._limits.send_timeout if is_slow else LINGER)
        self.pipeline.clear()
        self.flow.resume_reading()
        if not self.transport.is_closing():
            self.transport.write_eof()

    def check(self) -> None:
        """Act if the client has left or a deadline has passed."""
        now = self.loop.time()
        if self.flow.write_paused and now > self._stalled_at + self._limits.send_timeout:
            self.transport.abort()
        elif self.flow.read_paused and self._has_left():
            self.eof_received()
        elif now >= self._due:
            self._on_deadline()

    def _on_deadline(self) -> None:
        match self.state:
            case State.READING_HEAD | State.READING_BODY if self._waits_for_us():
                self._due = self.loop.time() + self._limits.body_timeout
            case State.READING_HEAD if not (self.url or self._is_answering()):
                self.transport.abort()  # there is no request that could be answered
            case State.READING_HEAD | State.READING_BODY:
                self._refuse(Problem(408, "The request took too long to arrive."))
            case State.IDLE:
                self._close_gently()
            case State.LINGERING:
                self.transport.abort()

    def _waits_for_us(self) -> bool:
        waits_for_continue = self.cycle and self.cycle.waiting_for_100_continue
        return bool(self.flow.read_paused or waits_for_continue)

    def _has_left(self) -> bool:
        """Ask the system, since the transport does not see an end that follows unread data."""
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), CLOSED)
        return bool(poll.poll(0))
