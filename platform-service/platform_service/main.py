"""The application: `uvicorn platform_service.main:app` serves it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from chassis.app import make_app
from chassis.settings import load_settings
from platform_service import crud
from platform_service.config import Settings
from platform_service.database import make_database
from platform_service.keys import KeySet
from platform_service.models import Base
from platform_service.routers import articles, auth, keys, users

TAGS = {
    "articles": "Texts with an owner. Only its owner sees a draft.",
    "users": "Accounts.",
    "auth": "Signing in, and the keys that verify tokens.",
}


def create_app(settings: Settings) -> FastAPI:
    """Return the application. Its lifespan opens and closes the database."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with make_database(settings).serving() as database:
            if database.engine.dialect.name == "sqlite":  # PostgreSQL is migrated by a job
                database.create_schema(Base.metadata)
            app.state.database = database
            app.state.keys = KeySet(
                settings.token_issuer, settings.token_audience, settings.signing_key_file
            )
            app.state.token_verifier = app.state.keys.verifier
            app.state.show_emails = settings.show_emails
            yield

    routers = (articles.router, users.router, auth.router, keys.router)
    return make_app(settings.part, lifespan, *routers, tags=TAGS, look_up_caller=crud.get_caller)


def __getattr__(name: str) -> FastAPI:
    """Return `app`, made when uvicorn asks for it and not when a test imports `create_app`."""
    if name != "app":
        raise AttributeError(name)
    return create_app(load_settings(Settings))
