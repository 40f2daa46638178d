"""The gateway, put together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from gateway import pages, problems
from gateway.config import Settings
from gateway.proxy import Proxy


def create_app(settings: Settings) -> Proxy:
    """Build the gateway, or end the process if the file of routes cannot be used.

    Raises:
        ValueError: the URL of the rate limits' store cannot be used.
    """
    proxy = Proxy(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(proxy.log.flush)
            await stack.enter_async_context(proxy.http)
            stack.push_async_callback(proxy.limiter.close)
            for upstream in proxy.upstreams.values():
                stack.callback(upstream.close)
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redirect_slashes=False)
    app.state.gateway = proxy
    for path, page in pages.PAGES.items():
        app.add_route(path, page)  # to GET and HEAD
    app.mount("/static", pages.assets)
    for error in (HTTPException, Exception):
        app.add_exception_handler(error, problems.refuse)
    proxy.app = app
    return proxy
