"""The gateway's application. `uvicorn gateway.main:app` is enough to try it.

`python -m gateway`, as it is deployed, also limits the clients' connections.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from chassis import __version__
from chassis.settings import load_settings
from chassis.telemetry import NO_TELEMETRY
from gateway.config import Settings
from gateway.pages.documents import Documents
from gateway.pages.router import router, static
from gateway.problems import leave_to_the_proxy
from gateway.proxy.middleware import Proxy
from gateway.routes import load_routes

logger = logging.getLogger(__name__)


class Gateway(FastAPI):
    """A FastAPI application whose outermost ASGI middleware is the proxy."""

    proxy: Proxy

    def build_middleware_stack(self) -> ASGIApp:
        """Return the proxy around FastAPI's own middleware, which only pages pass."""
        self.proxy.app = super().build_middleware_stack()
        return self.proxy


def create_app(settings: Settings) -> Gateway:
    """Return the application, or end the process if the routes file is invalid.

    Raises:
        ValueError: the URL of the rate limits' store is invalid.
    """
    routes = load_routes(settings.routes_file)
    app = Gateway(
        title="Inkwell gateway",
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    app.proxy = Proxy(settings, routes)
    app.state.draining = False
    app.state.admission = None  # the server of `python -m gateway` sets it
    app.state.documents = Documents(routes)
    app.include_router(router)
    app.mount("/static", static)
    for error in (HTTPException, Exception):
        app.add_exception_handler(error, leave_to_the_proxy)
    return app


@asynccontextmanager
async def lifespan(app: Gateway) -> AsyncIterator[None]:
    """Run the proxy. A server other than `python -m gateway` is reported."""
    if app.state.admission is None:
        logger.warning("this server does not limit the clients' connections: see ADR 0005")
    async with app.proxy.running():
        yield


def __getattr__(name: str) -> Gateway:
    """Return `app`, made when a server asks for it and not when a test imports `create_app`."""
    if name != "app":
        raise AttributeError(name)
    return create_app(load_settings(Settings))
