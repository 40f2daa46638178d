"""The application of a service: what FastAPI is given around the routers."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy.exc import DBAPIError
from starlette.types import StatelessLifespan

from chassis import __version__, health, openapi
from chassis.bodies import Room
from chassis.callers import LookUp, refuse_caller_first
from chassis.database import reason_of
from chassis.logs import AccessLog
from chassis.middleware import RequestMiddleware
from chassis.problems import add_problem_handlers
from chassis.requests import UnreadableBodyError
from chassis.telemetry import NO_TELEMETRY
from chassis.transactions import add_database_handlers

logger = logging.getLogger(__name__)


class Application(FastAPI):
    """A FastAPI application whose document also has what the chassis does for each route."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        document = super().openapi()
        if self.state.token_verifier is None:
            openapi.leave_sign_in_out(document)
        return openapi.complete(document)


def make_app(
    part: str,
    lifespan: StatelessLifespan[FastAPI],
    *routers: APIRouter,
    tags: Mapping[str, str] | None = None,
    look_up_caller: LookUp | None = None,
) -> FastAPI:
    """Return an application of these routers, whose tags have these descriptions.

    Its lifespan sets `app.state.database`, and `app.state.token_verifier` if the service knows
    callers. The look-up raises UnauthorizedError if a token is valid but its caller is not.
    """
    log = AccessLog(part)

    @asynccontextmanager
    async def logged_lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with lifespan(app):
                yield
        except DBAPIError as error:
            logger.critical("the database cannot be used: %s", reason_of(error))
            raise
        except Exception:
            logger.exception("the start or the end failed")
            raise
        finally:
            log.flush()

    app = Application(
        title=f"Inkwell {part}",
        version=__version__,
        lifespan=logged_lifespan,
        responses={openapi.DEFAULT: {}},  # FastAPI would describe a 422 that is no problem
        openapi_tags=[{"name": name, "description": text} for name, text in (tags or {}).items()],
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        telemetry=NO_TELEMETRY,
    )
    app.state.draining = False
    app.state.token_verifier = None
    app.state.look_up_caller = look_up_caller
    app.state.room = Room()
    app.state.access_log = log
    app.add_middleware(RequestMiddleware, collections=_collections(routers), log=log)
    add_problem_handlers(app)
    if look_up_caller:
        app.add_exception_handler(RequestValidationError, refuse_caller_first)
        app.add_exception_handler(UnreadableBodyError, refuse_caller_first)
    add_database_handlers(app)
    for router in (*routers, health.router):
        app.include_router(router)
    return app


def _operation_id(route: APIRoute) -> str:
    """Return the name of the route's function. Generated clients name their functions by it."""
    return route.name


def _collections(routers: tuple[APIRouter, ...]) -> frozenset[str]:
    """Return the paths that are also served without their last slash."""
    paths = (str(route.path) for router in routers for route in iter_route_contexts(router.routes))
    return frozenset(path.removesuffix("/") for path in paths if path.endswith("/"))
