"""The proxy as an ASGI middleware."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.logs import AccessLog
from gateway.config import Settings
from gateway.metrics import Metrics
from gateway.proxy.cors import Cors
from gateway.proxy.exchange import Exchange
from gateway.proxy.rate_limits import RateLimiter
from gateway.proxy.trusted_proxies import TrustedProxies
from gateway.proxy.turns import Turns
from gateway.routes import Routes, matcher
from gateway.upstream.upstream import Upstream, check_all, tick_forever


class Proxy:
    """Forwards a request to its upstream, or to the application inside if no route matches.

    Raises:
        ValueError: the URL of the rate limits' store is invalid.
    """

    app: ASGIApp

    def __init__(self, settings: Settings, routes: Routes) -> None:
        self.settings = settings
        self.routes = routes
        self.route_of = matcher(routes.routes)
        self.metrics = Metrics()
        self.log = AccessLog(settings.part)
        self.cors = Cors(settings.cors_origins)
        self.trusted = TrustedProxies(settings.trusted_proxies)
        self.limiter = RateLimiter(settings, routes.rate_limits, self.metrics.store_failures)
        self.turns = Turns()
        self.upstreams = {
            name: Upstream(name, limits, self.metrics) for name, limits in routes.upstreams.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass the lifespan on."""
        if scope["type"] == "http":
            await Exchange(self, scope, receive, send).run()
        else:
            await self.app(scope, receive, send)

    def statuses(self) -> dict[str, str]:
        """Return "up" or "down" by the service's name."""
        return {name: "up" if it.replicas.is_up else "down" for name, it in self.upstreams.items()}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look after the upstreams and the names of proxies; at the end close everything."""
        await self.trusted.resolve()
        await check_all(self.upstreams.values())
        resolving = asyncio.create_task(self.trusted.resolve_forever())
        ticking = asyncio.create_task(tick_forever(self.upstreams.values()))
        try:
            yield
        finally:  # a second Ctrl-C cancels this
            ticking.cancel()
            resolving.cancel()
            for upstream in self.upstreams.values():
                upstream.close()
            self.log.flush()
            await self.limiter.close()
