"""The gateway, put together: `python -m gateway`."""

import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import start_http_server
from starlette.exceptions import HTTPException

from gateway import logs, pages, problems
from gateway.config import ConfigurationError, Settings, load_settings
from gateway.proxy import Proxy
from gateway.server import Server


def create_app(settings: Settings) -> Proxy:
    """Build the gateway; what needs a running loop is opened in its lifespan.

    Raises:
        ConfigurationError: the file of routes cannot be used.
    """
    proxy = Proxy(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        proxy.log.flush()
        for upstream in proxy.upstreams.values():
            upstream.close()
        await proxy.limiter.close()
        await proxy.http.aclose()

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redirect_slashes=False)
    app.state.gateway = proxy
    for path, page in pages.PAGES.items():
        app.add_route(path, page)  # to GET and HEAD
    app.mount("/static", pages.assets)
    for error in (HTTPException, Exception):
        app.add_exception_handler(error, problems.refuse)
    proxy.app = app
    return proxy


def main() -> str | None:
    """Serve until told to stop; return the sentence that says why it cannot."""
    try:
        settings = load_settings()
        app = create_app(settings)
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        address = (settings.host, settings.port)
        with socket.create_server(address, family=family, backlog=2048) as listener:
            start_http_server(settings.metrics_port, settings.metrics_host, app.metrics.registry)
            logs.configure(settings.log_level)
            # What the start made lives on: the collector need not look at it again, nor often at
            # what many clients at once keep alive for a moment.
            gc.freeze()
            gc.set_threshold(50_000, 20, 100)
            Server(app).run([listener])
    except KeyboardInterrupt:  # raised when all is over, for who asked by Ctrl-C
        return None
    except (ConfigurationError, ValueError) as error:
        return str(error)
    except OSError as error:
        ports = f"{settings.port} and, for metrics, {settings.metrics_port}"
        return f"The gateway cannot listen at ports {ports}: {error.strerror}."
    return None
