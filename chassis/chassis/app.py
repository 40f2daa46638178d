"""The application of a service: what FastAPI is given around the routers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.telemetry import TelemetryConfig

from chassis import __version__, health
from chassis.database import add_database_handlers
from chassis.logs import AccessLog
from chassis.middleware import RequestMiddleware
from chassis.problems import PROBLEM_RESPONSES, add_problem_handlers

# FastAPI would look for a provider of telemetry at each step of each request.
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def make_app(part: str, lifespan: Lifespan, *routers: APIRouter) -> FastAPI:
    """Return an application of these routers. Its lifespan sets `app.state.database`."""
    log = AccessLog(part)

    @asynccontextmanager
    async def logged_lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with lifespan(app):
                yield
        finally:
            log.flush()

    app = FastAPI(
        title=f"Inkwell {part}",
        version=__version__,
        lifespan=logged_lifespan,
        responses=PROBLEM_RESPONSES,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        telemetry=NO_TELEMETRY,
    )
    app.state.draining = False
    app.state.access_log = log
    app.add_middleware(RequestMiddleware, collections=_collections(routers), log=log)
    add_problem_handlers(app)
    add_database_handlers(app)
    for router in (*routers, health.router):
        app.include_router(router)
    return app


def _collections(routers: tuple[APIRouter, ...]) -> frozenset[str]:
    """Return the paths that are also served without their last slash."""
    paths = (str(route.path) for router in routers for route in iter_route_contexts(router.routes))
    return frozenset(path.removesuffix("/") for path in paths if path.endswith("/"))
