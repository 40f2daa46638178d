"""One request and its response, from the client to the upstream and back."""

import asyncio
import logging
from time import perf_counter
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from chassis.addresses import counted_as
from chassis.bodies import BODY_LIMIT
from chassis.logs import HEALTH
from gateway.client.fault import CLIENT_LEFT, fault_of
from gateway.http1 import METHODS
from gateway.problems import RETRY_SOON, Problem
from gateway.proxy.answer import Answer
from gateway.proxy.body import RequestBody, check_length
from gateway.proxy.headers import SECURITY, for_client
from gateway.proxy.paths import check_path
from gateway.proxy.request_head import RequestHead
from gateway.proxy.timeline import Timeline
from gateway.routes import Route
from gateway.upstream.connection import BROKEN, DONE, Lost, MovedOn, UpstreamConnection
from gateway.upstream.replica import Replica
from gateway.upstream.upstream import Upstream

if TYPE_CHECKING:
    from gateway.proxy.middleware import Proxy

logger = logging.getLogger(__name__)

ALLOW = (b"allow", ", ".join(METHODS).encode())
CONTINUE_TIMEOUT = 1.0  # seconds to wait for 100 Continue before the body is sent anyway
CLIENT_CLOSED_REQUEST = 499  # nginx's status, in the log and the metrics


class Exchange:
    """Checks a request, forwards it or has a page answer it, and records the outcome."""

    def __init__(self, proxy: "Proxy", scope: Scope, receive: Receive, send: Send) -> None:
        self._proxy = proxy
        self._scope = scope
        self._receive = receive
        self._fault = fault_of(scope)
        self._times = Timeline()
        self._head = RequestHead(scope, proxy.trusted)
        self._body: RequestBody | None = None  # where an upstream is asked
        self._route = proxy.route_of(self._head.path)
        self._label = self._route.prefix if self._route else "gateway"
        added = [(b"x-request-id", self._head.id), *SECURITY]
        self._answer = Answer(send, added, proxy.cors.fields(self._head.headers))

    async def run(self) -> None:
        """Answer the request, whatever happens; then log and count it."""
        self._proxy.metrics.started(self._label)
        try:
            await self._respond()
        except asyncio.CancelledError as cancelled:
            # Another server sends no message, and a timeout at the same moment would lose it.
            if CLIENT_LEFT in cancelled.args or not self._scope["app"].state.draining:
                self._answer.status = CLIENT_CLOSED_REQUEST
            else:
                await self._refuse(self._given_up())
        finally:
            self._record(perf_counter())

    async def _respond(self) -> None:
        """Answer the request; every error becomes a problem."""
        try:
            await self._check()
            if preflight := self._proxy.cors.preflight(self._head.method, self._head.headers):
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

    def _given_up(self) -> Problem:
        """Return the problem of a request that the gateway gives up when it stops."""
        if self._times.asked and not self._head.may_run_twice:  # a service may have run it
            return Problem(504, "The gateway stopped before the service had answered.")
        return Problem(503, "The gateway is stopping.", RETRY_SOON)

    async def _refuse(self, problem: Problem) -> None:
        """Send a problem, unless a response has begun, which then stays incomplete."""
        if not self._answer.status:
            rendered = problem.render(self._head.path, self._head.id)
            await self._answer.reply(problem.status, *rendered)

    def _record(self, ended: float) -> None:
        upstream, status = self._route.upstream if self._route else "", self._answer.status
        seconds, times = ended - self._times.began, self._times
        self._proxy.metrics.finished(self._label, upstream, self._head.method, status, seconds)
        received = self._body.completed_at if self._body else times.began
        duration_ms, request_ms, upstream_ms = times.durations(ended, received)
        self._proxy.log.write(
            method=self._head.method,
            path=self._head.path.decode("latin-1"),
            status=status,
            duration_ms=duration_ms,
            request_ms=request_ms,
            upstream_ms=upstream_ms,
            replica=times.replica,
            client=self._head.client,
        )

    # Checks.

    async def _check(self) -> None:
        """Raise a Problem if the request is invalid or not allowed."""
        if self._fault.problem:
            raise self._fault.problem
        method, path = self._head.method, self._head.path
        check_path(path)
        if method == "CONNECT" or (method == "TRACE" and self._route):
            raise Problem(405, "This method is not supported here.", ALLOW)
        if self._proxy.settings.rate_limit == "on":
            await self._count(path.decode("latin-1"))

    async def _count(self, path: str) -> None:
        """Count a request against its rate limit, but not a health check."""
        if path in HEALTH:
            return
        head, limiter = self._head, self._proxy.limiter
        try:
            self._answer.added += await limiter.check(head.method, path, head.client)
        except Problem:
            self._proxy.metrics.limited.labels(self._label).inc()
            raise

    # A page of the gateway.

    async def _show_page(self) -> None:
        check_length(dict(self._head.headers), BODY_LIMIT)
        source = self._head.source
        self._scope["scheme"] = source.scheme
        kept = [field for field in self._head.headers if field[0] != b"host"]
        self._scope["headers"] = [*kept, (b"host", source.host.encode("latin-1"))]
        await self._proxy.app(self._scope, self._receive, self._answer.send_page)

    # An upstream.

    async def _forward(self, route: Route) -> None:
        """Send the request to the upstream, when there is a slot for it."""
        upstream = self._proxy.upstreams[route.upstream]
        body = RequestBody(self._head.headers, self._receive, self._fault, route.max_body)
        self._body = body
        gathered = b"" if body.is_empty else await body.gather()
        await upstream.replicas.wait_until_usable()
        client = counted_as(self._head.client)
        if body.is_complete:
            slots = upstream.slots
        else:
            slots = upstream.uploads
            await self._proxy.turns.wait(client)
        await slots.acquire(client)
        try:
            head = self._head.for_upstream(is_chunked=body.is_chunked)
            await self._try_replicas(upstream, head + gathered, body)
        finally:
            slots.release(client)

    async def _try_replicas(self, upstream: Upstream, data: bytes, body: RequestBody) -> None:
        """Send the request and relay the response.

        A request that is lost before any response is sent once more, if it may be. One whose
        replica hangs moves on to another, as long as there is one. Both need the whole request in
        `data`: a body that still arrives is not kept. Such a body gets a new connection, since a
        response before its end leaves the connection useless: the idle ones are for the other
        requests.
        """
        is_complete, avoided = body.is_complete, None
        while True:
            replica, connection = await self._connect(upstream, avoided, may_reuse=is_complete)
            self._times.replica, self._times.asked = replica.name, perf_counter()
            try:
                return await self._attempt(connection, data, body)
            except MovedOn:
                avoided = replica
            except Lost:
                if avoided or connection.received or not (is_complete and self._head.may_resend):
                    raise
                avoided = replica
            finally:
                upstream.release(replica, connection)
            self._proxy.metrics.retried.labels(upstream.name).inc()

    async def _connect(
        self, upstream: Upstream, avoided: Replica | None, *, may_reuse: bool
    ) -> tuple[Replica, UpstreamConnection]:
        """Return a connection, or raise a Problem: 502 if a service may have run a lost write.

        With 503 the client would send the write again.
        """
        try:
            return await upstream.connect(avoided, may_reuse=may_reuse)
        except Problem:
            if avoided and not self._head.may_run_twice:
                raise Problem(*BROKEN) from None
            raise

    async def _attempt(
        self, connection: UpstreamConnection, data: bytes, body: RequestBody
    ) -> None:
        is_complete = body.is_complete
        connection.begin(
            data,
            is_complete=is_complete,
            is_bodyless=self._head.method == "HEAD",
            may_move=is_complete and self._head.may_run_twice,
        )
        upload = None if is_complete else asyncio.create_task(self._upload(body, connection))
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
            client = counted_as(self._head.client)
            while not body.is_complete:
                await self._proxy.turns.wait(client)
                data = await body.read()
                await connection.send(data, is_last=body.is_complete)
        except Problem as problem:
            connection.close(problem)

    async def _relay(self, connection: UpstreamConnection) -> None:
        """Send the upstream's response to the client as it comes."""
        await connection.receive_head()
        self._times.answered = perf_counter()
        await self._answer.begin(connection.status, for_client(connection.headers))
        while True:
            is_last, data = connection.state is DONE, connection.take()
            await self._answer.write(data, is_last=is_last)
            if is_last:
                return
            await connection.receive_more()
