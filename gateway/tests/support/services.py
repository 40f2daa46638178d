"""A small blog-service and platform-service for the gateway's pages."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from unittest.mock import patch
from urllib.parse import parse_qs

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.routing import APIRoute
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel

from gateway.config import Settings
from support.gateway import Running
from support.waiting import PATIENCE, eventually

PASSWORD = "correct horse battery"
WRONG_PASSWORD = "The e-mail or the password is wrong."
BEARER = OAuth2PasswordBearer("auth/token")
Token = Annotated[str, Depends(BEARER)]


class PostCreate(BaseModel):
    title: str
    body: str | None = None
    published: bool = False


class PostOut(PostCreate):
    id: int


class ArticleCreate(BaseModel):
    title: str
    content: str


class ArticleOut(ArticleCreate):
    id: int


def operation_id(route: APIRoute) -> str:
    return route.name


def blog_service() -> FastAPI:
    app = FastAPI(title="blog", redirect_slashes=False, generate_unique_id_function=operation_id)

    link = {"headers": {"Link": {"schema": {"type": "string"}}}}

    @app.get("/posts/", tags=["posts"], responses={200: link})
    def list_posts() -> list[PostOut]:
        return []

    @app.post("/posts/", status_code=201, tags=["posts"])
    def create_post(post: PostCreate, _token: Token) -> PostOut:
        return PostOut(id=1, **post.model_dump())

    @app.get("/livez")
    def livez() -> dict[str, str]:
        return {"status": "up"}

    @app.get("/readyz")
    def readyz() -> dict[str, str]:
        return {"status": "up"}

    return app


def platform_service() -> FastAPI:
    app = FastAPI(
        title="platform", redirect_slashes=False, generate_unique_id_function=operation_id
    )

    @app.post("/auth/token", tags=["auth"])
    async def sign_in(request: Request) -> dict[str, Any]:
        form = parse_qs((await request.body()).decode())
        if form.get("password") != [PASSWORD]:
            raise HTTPException(401, WRONG_PASSWORD)
        return {"access_token": "a token", "token_type": "bearer", "expires_in": 900}

    optional: dict[str, Any] = {"security": [{}, {BEARER.scheme_name: []}]}

    @app.get("/articles/", tags=["articles"], openapi_extra=optional)
    def list_articles() -> list[ArticleOut]:
        return []

    @app.post("/articles/", status_code=201, tags=["articles"])
    def create_article(article: ArticleCreate, _token: Token) -> ArticleOut:
        return ArticleOut(id=1, **article.model_dump())

    @app.get("/readyz")
    def readyz() -> dict[str, str]:
        return {"status": "up"}

    return app


class Served:
    """An application on a real socket, in a thread."""

    def __init__(self, app: FastAPI) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()
        eventually(lambda: self._server.started)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        self._socket.close()


@contextmanager
def served(app: FastAPI) -> Iterator[Served]:
    one = Served(app)
    try:
        yield one
    finally:
        one.stop()


@dataclass
class Inkwell:
    """The gateway with both services behind it."""

    url: str
    blog: Served
    platform: Served


@contextmanager
def inkwell() -> Iterator[Inkwell]:
    with ExitStack() as stack:
        blog = stack.enter_context(served(blog_service()))
        platform = stack.enter_context(served(platform_service()))
        urls = {
            "GATEWAY_BLOG_SERVICE_URL": blog.url,
            "GATEWAY_PLATFORM_SERVICE_URL": platform.url,
        }
        with patch.dict(os.environ, urls):
            gateway = Running(Settings(port=0, metrics_port=0, drain_seconds=0))
        stack.callback(gateway.stop)
        yield Inkwell(gateway.url, blog, platform)
