"""The gateway, put together: `python -m gateway`, or `uvicorn gateway.main:app` to try it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from gateway import pages, problems
from gateway.config import Settings, load_settings
from gateway.proxy import Proxy
from gateway.services import Documents


def create_app(settings: Settings) -> Proxy:
    """Build the gateway; what needs a running loop is opened in its lifespan.

    Raises:
        ConfigurationError: the file of routes cannot be used.
    """
    proxy = Proxy(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(proxy.log.flush)
            for close in (proxy.http.aclose, proxy.verifier.close, proxy.limiter.close):
                stack.push_async_callback(close)
            for upstream in proxy.upstreams.values():
                await upstream.open()
                stack.push_async_callback(upstream.close)
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redirect_slashes=False)
    app.state.health, app.state.documents = proxy.health, Documents(proxy.http, proxy.table)
    for path, page in pages.PAGES.items():
        app.add_route(path, page)  # to GET and HEAD
    app.mount("/static", pages.assets)
    for error in (HTTPException, Exception):
        app.add_exception_handler(error, problems.refuse)
    proxy.app = app
    return proxy


def __getattr__(name: str) -> Proxy:
    """Build `app` when it is asked for, as uvicorn does."""
    if name != "app":
        raise AttributeError(name)
    return create_app(load_settings())
