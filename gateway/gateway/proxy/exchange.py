"""One request and its response, from the client to the upstream and back."""

import asyncio
import logging
from time import perf_counter
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from chassis.addresses import counted_as
from chassis.logs import set_request_id
from gateway.client.fault import fault_of
from gateway.http1 import METHODS, SAFE, Headers, field_lines, values
from gateway.problems import RETRY_SOON, Problem
from gateway.proxy import headers
from gateway.proxy.answer import Answer
from gateway.proxy.body import RequestBody
from gateway.proxy.paths import check_path
from gateway.proxy.timeline import Timeline
from gateway.routes import HEALTH, MAX_BODY, Route
from gateway.upstream.connection import BROKEN, DONE, Lost, MovedOn, UpstreamConnection
from gateway.upstream.pool import Upstream
from gateway.upstream.replica import Replica

if TYPE_CHECKING:
    from gateway.proxy.middleware import Proxy

logger = logging.getLogger(__name__)

IDEMPOTENT = SAFE | {"PUT", "DELETE"}  # RFC 9110, section 9.2.2
ALLOW = (b"allow", ", ".join(METHODS).encode())
CONTINUE_TIMEOUT = 1.0  # seconds to wait for 100 Continue before the body is sent anyway
CLIENT_LEFT = 499  # in the log and the metrics


class Exchange:
    """Checks a request, forwards it or has a page answer it, and records the outcome."""

    def __init__(self, proxy: "Proxy", scope: Scope, receive: Receive, send: Send) -> None:
        self._proxy = proxy
        self._scope = scope
        self._receive = receive
        self._fault = fault_of(scope)
        self._times = Timeline()
        self._body: RequestBody | None = None  # where an upstream is asked
        self._method: str = scope["method"]
        self._path: bytes = scope["raw_path"]
        self._headers: Headers = scope["headers"]
        self._id = set_request_id(self._headers)
        peer = scope["client"][0] if scope["client"] else ""
        origin = proxy.trusted.origin(self._headers, peer, scope["scheme"])
        self._client, self._origin = origin.client, origin.fields
        self._route = proxy.route_of(self._path)
        self._label = self._route.prefix if self._route else "gateway"
        added = [(b"x-request-id", self._id), *headers.SECURITY]
        self._answer = Answer(send, added, proxy.cors.fields(self._headers))

    async def run(self) -> None:
        """Answer the request, whatever happens; then log and count it."""
        self._proxy.metrics.started(self._label)
        try:
            await self._respond()
        except asyncio.CancelledError:  # the client has left, or the gateway stops
            if self._scope["app"].state.draining:
                await self._refuse(self._given_up())
            else:
                self._answer.status = CLIENT_LEFT
        finally:
            self._record(perf_counter())

    async def _respond(self) -> None:
        """Answer the request; every error becomes a problem."""
        try:
            await self._check()
            if preflight := self._proxy.cors.preflight(self._method, self._headers):
                await self._answer.reply(200, preflight, b"")
            elif self._route:
                await self._forward(self._route)
            else:
                await self._show_page()
        except Problem as problem:
            await self._refuse(problem)
        except OSError:  # the system has no descriptors or no memory left
            logger.exception("the system refused something")
            await self._refuse(Problem(503, "The gateway is short of resources.", RETRY_SOON))
        except Exception:
            logger.exception("unexpected error")
            await self._refuse(Problem(500, "Something went wrong here."))

    def _is_safe(self) -> bool:
        """Return whether the request may be done twice: by its method, or by its key."""
        if self._method != "POST":
            return self._method in SAFE
        keys = values(self._headers, b"idempotency-key")
        return len(keys) == 1 and keys != [b""]

    def _may_repeat(self) -> bool:
        """Return whether a lost request may be sent again. If-Match would fail the second time."""
        is_conditional = values(self._headers, b"if-match")
        return self._is_safe() or (self._method in IDEMPOTENT and not is_conditional)

    def _given_up(self) -> Problem:
        """Return the problem of a request at the gateway's end. A service may have done it."""
        if self._times.asked and not self._is_safe():
            return Problem(504, "The gateway stopped before the service had answered.")
        return Problem(503, "The gateway is stopping.", RETRY_SOON)

    async def _refuse(self, problem: Problem) -> None:
        await self._answer.refuse(problem, self._path, self._id)

    def _record(self, ended: float) -> None:
        upstream, status = self._route.upstream if self._route else "", self._answer.status
        seconds, times = ended - self._times.began, self._times
        self._proxy.metrics.finished(self._label, upstream, self._method, status, seconds)
        received = self._body.completed_at if self._body else times.began
        duration_ms, request_ms, upstream_ms = times.durations(ended, received)
        self._proxy.log.write(
            method=self._method,
            path=self._path.decode("latin-1"),
            status=status,
            duration_ms=duration_ms,
            request_ms=request_ms,
            upstream_ms=upstream_ms,
            replica=times.replica,
            client=self._client,
        )

    # Checks.

    async def _check(self) -> None:
        """Raise a Problem if the request is invalid or not allowed."""
        if self._fault.problem:
            raise self._fault.problem
        check_path(self._path)
        if self._method == "CONNECT" or (self._method == "TRACE" and self._route):
            raise Problem(405, "This method is not supported here.", ALLOW)
        if self._proxy.settings.rate_limit == "on" and self._path not in HEALTH:
            await self._count()

    async def _count(self) -> None:
        path = self._path.decode("latin-1")
        try:
            self._answer.added += await self._proxy.limiter.check(self._method, path, self._client)
        except Problem:
            self._proxy.metrics.limited.labels(self._label).inc()
            raise

    # A page of the gateway.

    async def _show_page(self) -> None:
        outer = dict(self._origin)  # as a trusted proxy says
        self._scope["scheme"] = outer[b"x-forwarded-proto"].decode()
        # Pages ignore Range, as a server may: RFC 9110, section 14.2.
        kept = [field for field in self._headers if field[0] not in (b"range", b"host")]
        self._scope["headers"] = [*kept, (b"host", outer[b"x-forwarded-host"])]
        RequestBody(self._headers, self._receive, self._fault, MAX_BODY)  # refuses a large body
        await self._proxy.app(self._scope, self._receive, self._answer.send_page)

    # An upstream.

    async def _forward(self, route: Route) -> None:
        """Send the request to the upstream, when there is a place for it."""
        upstream = self._proxy.upstreams[route.upstream]
        body = RequestBody(self._headers, self._receive, self._fault, route.max_body)
        self._body = body
        gathered = b"" if body.is_empty else await body.gather()
        await upstream.wait_until_usable()
        slots = upstream.slots if body.is_complete else upstream.uploads
        client = counted_as(self._client)
        await slots.acquire(client)
        try:
            await self._exchange(upstream, self._request_head(body) + gathered, body)
        finally:
            slots.release(client)

    def _request_head(self, body: RequestBody) -> bytes:
        query = self._scope["query_string"]
        target = self._path + b"?" + query if query else self._path
        fields = headers.for_upstream(self._headers) + self._origin
        fields += headers.trace_context(self._headers)
        fields.append((b"x-request-id", self._id))
        if body.is_chunked:
            fields.append((b"transfer-encoding", b"chunked"))
        start = b"%b %b HTTP/1.1\r\n" % (self._method.encode(), target)
        return start + field_lines(fields) + b"\r\n"

    async def _exchange(self, upstream: Upstream, data: bytes, body: RequestBody) -> None:
        """Send the request and relay the response.

        If the connection is lost before any response and the request may be repeated, it is sent
        once more. A request that a replica lets wait moves on as long as there is another. Both
        need the whole request in `data`: a body that still comes is kept nowhere.
        """
        is_whole, lost_by = body.is_complete, None
        while True:
            replica, connection = await self._connect(upstream, lost_by)
            self._times.replica, self._times.asked = replica.name, perf_counter()
            try:
                return await self._attempt(connection, data, body)
            except MovedOn:
                lost_by = replica
            except Lost:
                if lost_by or connection.received or not (is_whole and self._may_repeat()):
                    raise
                lost_by = replica
            finally:
                upstream.release(replica, connection)
            self._proxy.metrics.retried.labels(upstream.name).inc()

    async def _connect(
        self, upstream: Upstream, lost_by: Replica | None
    ) -> tuple[Replica, UpstreamConnection]:
        """Return a connection. A write that was lost may be done, so that 503 would double it."""
        try:
            return await upstream.connect(lost_by)
        except Problem:
            if lost_by and not self._is_safe():
                raise Problem(*BROKEN) from None
            raise

    async def _attempt(
        self, connection: UpstreamConnection, data: bytes, body: RequestBody
    ) -> None:
        is_all, bodyless = body.is_complete, self._method == "HEAD"
        may_move = is_all and self._is_safe()
        connection.begin(data, is_all=is_all, bodyless=bodyless, may_move=may_move)
        upload = None
        if not body.is_complete:
            upload = asyncio.create_task(self._upload(body, connection))
        try:
            await self._relay(connection)
        finally:
            if upload:
                upload.cancel()  # it does nothing more from now on, so it need not be awaited

    async def _upload(self, body: RequestBody, connection: UpstreamConnection) -> None:
        """Send the rest of the body. An error on the client's side ends the exchange."""
        try:
            if body.needs_continue and not await connection.may_send_body(CONTINUE_TIMEOUT):
                return
            while not body.is_complete:
                data = await body.read()
                await connection.send(data, is_last=body.is_complete)
        except Problem as problem:
            connection.close(problem)

    async def _relay(self, connection: UpstreamConnection) -> None:
        """Send the upstream's response to the client as it comes."""
        await connection.receive_head()
        self._times.answered = perf_counter()
        await self._answer.begin(connection.status, headers.for_client(connection.headers))
        while True:
            is_last, data = connection.state is DONE, connection.take()
            await self._answer.write(data, is_last=is_last)
            if is_last:
                return
            await connection.receive_more()
