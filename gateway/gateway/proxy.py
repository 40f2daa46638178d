"""The hot path: choose an upstream, send the request there, send the response back."""

import asyncio
import logging
from time import perf_counter

import httpx
from httpx_aiohttp import AiohttpTransport
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import config, headers, limits, logs, metrics, services, tokens
from gateway.body import Body
from gateway.connection import Connection, Lost
from gateway.heads import is_unsafe
from gateway.problems import RETRY_SOON, Headers, Problem
from gateway.upstream import Upstream

logger = logging.getLogger(__name__)

IDEMPOTENT = config.READING | {"PUT", "DELETE"}  # RFC 9110, section 9.2.2
ALLOW = (b"allow", ", ".join(config.METHODS).encode())
UNCOUNTED = frozenset((b"/livez", b"/readyz"))
CLIENT_LEFT = 499


class Proxy:
    """The gateway as an ASGI application; what no route takes goes to the application behind it."""

    app: ASGIApp

    def __init__(self, settings: config.Settings) -> None:
        self.settings = settings
        self.table = config.load_routes(settings.routes_file)
        self.route_of = config.matcher(self.table.routes)
        self.http = httpx.AsyncClient(transport=AiohttpTransport(), trust_env=False)
        self.metrics, self.log = metrics.Metrics(), logs.AccessLog()
        self.cors = headers.Cors(settings.cors_origins)
        self.services = services.Services(self.http, self.table)
        self.draining = False
        self.limiter = limits.RateLimiter(settings, self.table.rate_limits)
        keys_url = f"{self.table.upstreams[self.table.keys_from].url}.well-known/jwks.json"
        self.verifier = tokens.TokenVerifier(settings, self.http, keys_url)
        upstreams = self.table.upstreams.items()
        self.upstreams = {name: Upstream(name, it, self.metrics) for name, it in upstreams}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "http":
            await Exchange(self, scope, receive, send).run()
        else:
            await self.app(scope, receive, send)


class Exchange:
    """One request and its response."""

    def __init__(self, proxy: Proxy, scope: Scope, receive: Receive, send: Send) -> None:
        self._proxy = proxy
        self._scope = scope
        self._receive = receive
        self._to_client = send
        self._method: str = scope["method"]
        self._path: bytes = scope["raw_path"]
        self._headers: Headers = scope["headers"]
        self._id = headers.request_id(self._headers)
        logs.request_id.set(self._id.decode())
        peer = scope["client"][0] if scope["client"] else ""
        trusted = proxy.settings.trusted_proxies
        self._client, self._origin = headers.origin(self._headers, peer, scope["scheme"], trusted)
        self._route = proxy.route_of(self._path)
        self._label = self._route.prefix if self._route else "gateway"
        self._own = [(b"x-request-id", self._id), *headers.SECURITY]
        self._cors = proxy.cors.fields(self._headers)
        self._status = 0

    async def run(self) -> None:
        """Answer, whatever happens; write the log line and count."""
        began = perf_counter()
        self._proxy.metrics.started(self._label)
        try:
            await self._answer()
        except asyncio.CancelledError:  # the client left, or the gateway has waited long enough
            if self._proxy.draining:
                await self._refuse(Problem(503, "The gateway stops.", RETRY_SOON))
            else:
                self._status = CLIENT_LEFT
        finally:
            self._note(perf_counter() - began)

    def _note(self, seconds: float) -> None:
        upstream = self._route.upstream if self._route else ""
        self._proxy.metrics.finished(self._label, upstream, self._method, self._status, seconds)
        self._proxy.log.write(
            method=self._method,
            path=self._path.decode("latin-1"),
            status=self._status,
            duration_ms=round(seconds * 1000, 2),
            client=self._client,
        )

    async def _answer(self) -> None:
        try:
            await self._check()
            if preflight := self._proxy.cors.preflight(self._method, self._headers):
                await self._reply(200, preflight, b"")
            elif self._route:
                await self._forward(self._route)
            else:
                if (b"x-forwarded-proto", b"https") in self._origin:
                    self._scope["scheme"] = "https"  # a trusted proxy says so
                # A page takes no ranges, as a server may: RFC 9110, section 14.2.
                self._scope["headers"] = [it for it in self._headers if it[0] != b"range"]
                Body(self._scope, self._receive, config.MAX_BODY)  # only judged: none is read
                await self._proxy.app(self._scope, self._receive, self._send)
        except Problem as problem:
            await self._refuse(problem)
        except Exception:
            logger.exception("unexpected")
            await self._refuse(Problem(500, "Something went wrong here."))

    async def _send(self, message: Message) -> None:
        """Send a part of a page of ours, which may have a stricter or laxer policy of its own."""
        if message["type"] == "http.response.start":
            theirs = dict(message["headers"])
            self._own = [field for field in self._own if field[0] not in theirs]
            await self._begin(message["status"], message["headers"])
        else:
            await self._to_client(message)

    async def _begin(self, status: int, fields: Headers) -> None:
        """Send the response's head, with the gateway's own fields."""
        self._status = status
        fields = [*fields, *self._own, *self._cors]
        await self._to_client({"type": "http.response.start", "status": status, "headers": fields})

    async def _reply(self, status: int, fields: Headers, body: bytes) -> None:
        await self._begin(status, fields)
        await self._to_client({"type": "http.response.body", "body": body})

    async def _refuse(self, problem: Problem) -> None:
        """Answer with a problem; a response that has begun is left broken off instead."""
        if not self._status:
            await self._reply(problem.status, *problem.rendered(self._path, self._id))

    async def _check(self) -> None:
        if "problem" in self._scope:
            raise self._scope["problem"]
        if is_unsafe(self._path):
            raise Problem(400, "The path has dot segments, backslashes or other unsafe parts.")
        if self._method == "CONNECT" or (self._method == "TRACE" and self._route):
            raise Problem(405, "This method is not served here.", ALLOW)
        if self._proxy.settings.rate_limit == "on" and self._path not in UNCOUNTED:
            await self._count()
        if self._route and self._route.needs_token(self._method):
            sent = headers.values(self._headers, b"authorization")
            await self._proxy.verifier.verify(sent[0] if len(sent) == 1 else None)

    async def _count(self) -> None:
        path = self._path.decode("latin-1")
        try:
            self._own += await self._proxy.limiter.check(self._method, path, self._client)
        except Problem:
            self._proxy.metrics.limited.labels(self._label).inc()
            raise

    async def _forward(self, route: config.Route) -> None:
        upstream = self._proxy.upstreams[route.upstream]
        body = Body(self._scope, self._receive, route.max_body)
        if not body.empty:
            await body.gather()
        async with upstream.slots if body.ended else upstream.uploads:
            await self._exchange(upstream, body)

    async def _exchange(self, upstream: Upstream, body: Body) -> None:
        """Send the request and relay the response; once more if it is lost and may be repeated."""
        head = self._head(body)
        lost_by = None
        while True:
            replica, connection = await upstream.connect(lost_by)
            try:
                return await self._ask(connection, head, body)
            except Lost:
                may_repeat = body.empty and self._method in IDEMPOTENT
                if lost_by or connection.received or not may_repeat:
                    raise
                lost_by = replica
            finally:
                upstream.release(replica, connection)
            self._proxy.metrics.retried.labels(upstream.name).inc()

    def _head(self, body: Body) -> bytes:
        """Write the request's head as it goes upstream."""
        query = self._scope["query_string"]
        target = self._path + b"?" + query if query else self._path
        fields = headers.outbound(self._headers) + self._origin + headers.trace(self._headers)
        fields.append((b"x-request-id", self._id))
        if body.chunked:
            fields.append((b"transfer-encoding", b"chunked"))
        start = b"%b %b HTTP/1.1\r\n" % (self._method.encode(), target)
        return start + headers.lines(fields) + b"\r\n"

    async def _ask(self, connection: Connection, head: bytes, body: Body) -> None:
        connection.begin(head + body.gathered, bodyless=self._method == "HEAD", sent=body.ended)
        pump = None if body.ended else asyncio.create_task(body.pump(connection))
        try:
            await self._relay(connection)
        finally:
            if pump:
                pump.cancel()  # which does nothing more from now on: nobody need wait for it

    async def _relay(self, connection: Connection) -> None:
        await connection.head()
        await self._begin(connection.status, headers.inbound(connection.headers))
        while True:
            more, data = not connection.complete, connection.take()
            await self._to_client({"type": "http.response.body", "body": data, "more_body": more})
            if not more:
                return
            await connection.more()
