"""The gateway, put together: `python -m gateway`, or `uvicorn gateway.main:app` to try it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
from fastapi import FastAPI
from httpx_aiohttp import AiohttpTransport
from starlette.exceptions import HTTPException

from gateway import documents, health, pages, problems
from gateway.config import Settings, load_routes, load_settings
from gateway.documents import Documents
from gateway.health import Health
from gateway.limits import RateLimiter
from gateway.logs import AccessLog
from gateway.metrics import Metrics
from gateway.proxy import Proxy
from gateway.tokens import TokenVerifier
from gateway.upstream import Upstream


def create_app(settings: Settings) -> Proxy:
    """Build the gateway; what needs a running loop is opened in its lifespan.

    Raises:
        ConfigurationError: the file of routes cannot be used.
    """
    table = load_routes(settings.routes_file)
    counts, log = Metrics(), AccessLog()
    http = httpx.AsyncClient(transport=AiohttpTransport(), trust_env=False)
    verifier = TokenVerifier(settings, http, table.keys_url)
    limiter = RateLimiter(settings, table.rate_limits)
    upstreams = {name: Upstream(name, it, counts) for name, it in table.upstreams.items()}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(log.flush)
            for close in (http.aclose, verifier.close, limiter.close):
                stack.push_async_callback(close)
            for upstream in upstreams.values():
                await upstream.open()
                stack.push_async_callback(upstream.close)
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redirect_slashes=False)
    app.state.health = Health(http, table.base_urls)
    app.state.documents = Documents(http, table.base_urls, table.routes)
    for part in (health, documents, pages):
        app.include_router(part.router)
    app.mount("/static", pages.assets)
    for error in (HTTPException, Exception):
        app.exception_handler(error)(problems.refuse)
    return Proxy(app, settings, table, upstreams, counts, limiter, verifier, app.state.health, log)


def __getattr__(name: str) -> Proxy:
    """Build `app` when it is asked for, as uvicorn does."""
    if name != "app":
        raise AttributeError(name)
    return create_app(load_settings())
