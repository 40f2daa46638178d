"""The application: `uvicorn blog_service.main:app` is enough to try it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from blog_service.config import Settings
from blog_service.database import make_database
from blog_service.models import Base
from blog_service.routers import posts
from chassis.app import make_app
from chassis.settings import load_settings
from chassis.tokens import make_token_verifier

TAGS = {"posts": "Short texts. Only its author sees a draft; everyone sees one without an author."}


def create_app(settings: Settings) -> FastAPI:
    """Return the application. Its lifespan opens and closes the database."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with make_database(settings).serving() as database:
            database.create_schema(Base.metadata)
            app.state.database = database
            app.state.token_verifier = make_token_verifier(settings)
            yield

    return make_app(settings.part, lifespan, posts.router, tags=TAGS)


def __getattr__(name: str) -> FastAPI:
    """Return `app`, made when uvicorn asks for it and not when a test imports `create_app`."""
    if name != "app":
        raise AttributeError(name)
    return create_app(load_settings(Settings))
