"""uvicorn's HTTP/1.1 connection, made strict, patient only so long, and able to break off."""
# ruff: noqa: D102 - asyncio, httptools and uvicorn name most methods here

import asyncio
import select
import struct
from math import inf
from socket import SO_LINGER, SOL_SOCKET
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.config import Client
from gateway.cycle import Cycle
from gateway.headers import lines
from gateway.heads import check_fields, origin_form
from gateway.problems import RETRY_SOON, Problem

LINGER = 3.0  # seconds in which a client may still send what nobody reads: RFC 9112, section 9.6
HALF_CLOSED = 0.05  # seconds for the answer to a client that sends no more: it may have left
MAX_PIPELINED = 16  # requests that wait behind the one that is being answered
CLOSED = getattr(select, "POLLRDHUP", 0)  # where there is none, POLLHUP tells, if later


class Protocol(HttpToolsProtocol):
    """Holds clients to the limits; check() is to be called about ten times a second.

    What cannot be a request, or stops being one in its body, reaches the application as a
    "problem" in the scope. A client that goes away cancels its request's task.
    """

    app: Any  # the Proxy
    cycle: Any
    scope: Any

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.limits: Client = self.app.table.client
        self.task: asyncio.Task[Any] | None = None  # which answers
        self._due = self._body_end = self._stalled_at = inf
        self._unparsed = self._head_size = 0
        self._in_head = self._is_deaf = False

    # What the transport calls.

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._is_beyond = len(self.connections) > self.limits.max_connections
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

    def eof_received(self) -> bool:  # type: ignore[override] # as asyncio has it
        """Keep the connection a moment longer for a client that may still read its answer."""
        if self._is_answering():
            self.loop.call_later(HALF_CLOSED, self._leave)
        return self._is_answering()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.cycle = None  # which refers to this: nothing is left for the collector
        if self.task:
            self.task.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_at = self.loop.time()

    # What the parser calls.

    def on_message_begin(self) -> None:
        super().on_message_begin()
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
        if self.parser.should_upgrade() and method != "CONNECT":
            return  # and stay in the head, which is parsed once more
        self.scope["method"] = method
        check_fields(version, self.headers)
        self.url = origin_form(method, self.url, self.headers)
        if self._is_beyond:
            raise Problem(503, "Too many clients are connected.", RETRY_SOON)
        if len(self.pipeline) >= MAX_PIPELINED:
            raise Problem(429, "Too many requests wait on this connection.", RETRY_SOON)
        self.expect_100_continue &= version == "1.1"
        self._in_head = False
        now = self.loop.time()
        self._due, self._body_end = now + self.limits.body_timeout, now + self.limits.body_limit
        keep_alive = version == "1.1" and self.parser.should_keep_alive() and method != "CONNECT"
        self._begin(keep_alive=keep_alive, http_version=version)

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        self._due = min(self._due + len(body) / self.limits.min_body_rate, self._body_end)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._in_head:
            super().on_message_complete()
            self._due = inf

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Parse the request once more as if it asked for no upgrade: RFC 9110, section 7.8.

        The parser takes what follows such a head for another protocol, a body too.
        """
        if self._in_head:
            version = self.parser.get_http_version().encode()
            start = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)
            fields = lines([field for field in self.headers if field[0] != b"upgrade"])
            self.parser = httptools.HttpRequestParser(self)
            self.data_received(start + fields + b"\r\n" + rest)

    # How requests begin and end.

    def _begin(self, *, keep_alive: bool, **scope: Any) -> None:
        raw_path, _, query = self.url.partition(b"?")
        path = unquote(raw_path.decode("latin-1"))
        self.scope |= {"raw_path": raw_path, "path": path, "query_string": query, **scope}
        is_next = self._is_answering()
        self.cycle = Cycle(self, keep_alive=keep_alive)
        if is_next:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))
        else:
            self._start_asgi_task(self.cycle, self.app)

    def _is_answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete

    def _fail(self, problem: Problem) -> None:
        """Have the problem answered, then close; nothing more is read."""
        if self.cycle and self.cycle.more_body and not self._in_head:
            self.cycle.scope["problem"] = problem
            self.cycle.keep_alive = False
            self.cycle.message_event.set()
        else:
            self.url = self.url[: self.limits.max_target]
            # Before its line is whole, a request has no method, though the parser names one.
            method = self.parser.get_method().decode() if self.headers else ""
            self.scope.setdefault("method", method)
            self._begin(keep_alive=False, problem=problem)
        self._is_deaf = True
        self._due = inf

    def on_last_written(self, cycle: Cycle) -> None:
        """Go on with the next request, or close."""
        if not cycle.keep_alive:
            self._close_gently()
            return
        self.flow.resume_reading()
        if self.pipeline and not self.transport.is_closing():  # else nobody would end the task
            self._start_asgi_task(*self.pipeline.pop())
        elif not self._in_head:
            self._due = self.loop.time() + self.limits.keep_alive

    def on_broken_off(self, *, is_seen: bool) -> None:
        """Close in the middle of a response, with a reset if nothing else tells the client."""
        if is_seen:
            self._close_gently()
        else:
            self._leave()

    def _leave(self) -> None:
        """Close, with a reset where somebody may still wait for more of a response."""
        if self._is_answering():
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()

    def _close_gently(self) -> None:
        """Close, but let the client take what was written and finish what it sends."""
        slow = self.transport.get_write_buffer_size() > 0
        self._is_deaf = True
        self._due = self.loop.time() + (self.limits.send_timeout if slow else LINGER)
        self.pipeline.clear()
        self.flow.resume_reading()
        if not self.transport.is_closing():
            self.transport.write_eof()

    def check(self, now: float) -> None:
        """Close, or answer 408, when the client has left or taken too long."""
        stalls = self.flow.write_paused and now > self._stalled_at + self.limits.send_timeout
        if stalls:
            self.transport.abort()
        elif self.flow.read_paused and self._has_left():
            self.eof_received()
        elif now < self._due:
            return
        elif self._is_deaf or not (self.url or self._is_answering()):
            self.transport.abort()
        elif not (self._in_head or self._is_answering()):
            self._close_gently()
        elif self.flow.read_paused or (self.cycle and self.cycle.waiting_for_100_continue):
            self._due = now + self.limits.body_timeout  # it is not the client that is slow
        else:
            self._fail(Problem(408, "The request took too long to arrive."))

    def _has_left(self) -> bool:
        """Ask the system, for the transport does not see an end behind what is not read."""
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), CLOSED)
        return bool(poll.poll(0))
