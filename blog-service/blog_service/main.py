"""The application: `uvicorn blog_service.main:app` is enough to try it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from blog_service.config import Settings, load_settings
from blog_service.database import Database
from blog_service.middleware import RequestMiddleware
from blog_service.problems import PROBLEM_RESPONSES, add_problem_handlers
from blog_service.routers import health, posts


def create_app(settings: Settings) -> FastAPI:
    """Build the application; its database is opened and closed by its lifespan."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.database = Database(settings.database_url)
        app.state.database.create_schema()
        yield
        app.state.database.close()

    app = FastAPI(
        title="Inkwell blog-service",
        version="1.0.0",
        lifespan=lifespan,
        responses=PROBLEM_RESPONSES,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.state.draining = False
    app.add_middleware(RequestMiddleware, collections=frozenset({"/posts"}))
    add_problem_handlers(app)
    app.include_router(posts.router)
    app.include_router(health.router)
    return app


def __getattr__(name: str) -> FastAPI:
    """Build `app` when it is asked for, as uvicorn does."""
    if name != "app":
        raise AttributeError(name)
    return create_app(load_settings())
