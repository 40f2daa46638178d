"""The application: `uvicorn platform_service.main:app` serves it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from platform_service.config import Settings, load_settings
from platform_service.database import Database
from platform_service.keys import KeySet
from platform_service.middleware import RequestMiddleware
from platform_service.problems import PROBLEM_RESPONSES, add_problem_handlers
from platform_service.routers import articles, auth, health, users


def create_app(settings: Settings) -> FastAPI:
    """Build the application; its database is opened and closed by its lifespan."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.keys = KeySet(settings)
        app.state.database = Database(settings.full_database_url)
        app.state.database.create_sqlite_schema()
        yield
        app.state.database.close()

    app = FastAPI(
        title="Inkwell platform-service",
        version="1.0.0",
        lifespan=lifespan,
        responses=PROBLEM_RESPONSES,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.state.draining = False
    app.add_middleware(RequestMiddleware, collections=frozenset({"/users", "/articles"}))
    add_problem_handlers(app)
    for router in (articles.router, users.router, auth.router, health.router):
        app.include_router(router)
    return app


def __getattr__(name: str) -> FastAPI:
    """Build `app` when it is asked for, as uvicorn does."""
    if name != "app":
        raise AttributeError(name)
    return create_app(load_settings())
