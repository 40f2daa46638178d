"""The contract's routes as tables, and how each is called."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from support.api import PASSWORD, Json, User, new_email, word

TIMES = {"created_at", "updated_at", "published_at"}
POST = {"id", "title", "body", "published", "author_id"} | TIMES
USER = {"id", "email", "is_active", "created_at"}
ARTICLE = {"id", "title", "content", "is_published", "owner_id", "owner_email"} | TIMES
TOKENS = {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in"}


@dataclass(frozen=True)
class Route:
    """A route of the contract. The path has names in place of ids; the name is the document's."""

    method: str
    path: str
    name: str
    status: int
    shape: set[str] | None = None
    signed_in: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_collection(self) -> bool:
        return self.path.endswith("/")


ROUTES = [
    Route("GET", "/posts/", "list_posts", 200, POST),
    Route("GET", "/posts/{post}", "get_post", 200, POST),
    Route("POST", "/posts/", "create_post", 201, POST, signed_in=True),
    Route("PATCH", "/posts/{post}", "update_post", 200, POST, signed_in=True),
    Route("DELETE", "/posts/{post}", "delete_post", 204, None, signed_in=True),
    Route("POST", "/users/", "create_user", 201, USER),
    Route("GET", "/users/", "list_users", 200, USER, signed_in=True),
    Route("GET", "/users/me", "get_me", 200, USER, signed_in=True),
    Route("PATCH", "/users/me", "update_me", 200, USER, signed_in=True),
    Route("GET", "/users/{user}", "get_user", 200, USER, signed_in=True),
    Route("POST", "/auth/token", "create_token", 200, TOKENS),
    Route("POST", "/auth/revoke", "revoke_token", 200),
    Route("GET", "/.well-known/jwks.json", "get_keys", 200, {"keys"}),
    Route("GET", "/articles/", "list_articles", 200, ARTICLE),
    Route("GET", "/articles/{article}", "get_article", 200, ARTICLE),
    Route("POST", "/articles/", "create_article", 201, ARTICLE, signed_in=True),
    Route("PATCH", "/articles/{article}", "update_article", 200, ARTICLE, signed_in=True),
    Route("DELETE", "/articles/{article}", "delete_article", 204, None, signed_in=True),
]
READS = [route for route in ROUTES if route.method == "GET"]
LISTS = [route for route in READS if route.is_collection]
GATEWAY_PAGES = ["/", "/docs", "/openapi.json", "/livez", "/readyz"]

METHODS = {
    "/posts/": {"GET", "HEAD", "POST"},
    "/posts/{post}": {"GET", "HEAD", "PATCH", "DELETE"},
    "/users/": {"GET", "HEAD", "POST"},
    "/users/me": {"GET", "HEAD", "PATCH", "DELETE"},
    "/users/{user}": {"GET", "HEAD"},
    "/auth/token": {"POST"},
    "/auth/revoke": {"POST"},
    "/.well-known/jwks.json": {"GET", "HEAD"},
    "/articles/": {"GET", "HEAD", "POST"},
    "/articles/{article}": {"GET", "HEAD", "PATCH", "DELETE"},
} | {page: {"GET", "HEAD"} for page in GATEWAY_PAGES}

FORMS = {"/auth/token", "/auth/revoke"}
JSON_ROUTES = [
    (route.method, route.path)
    for route in ROUTES
    if route.method in ("POST", "PATCH") and route.path not in FORMS
]


each_route = pytest.mark.parametrize("route", ROUTES, ids=str)
each_list = pytest.mark.parametrize("route", LISTS, ids=str)
each_json_route = pytest.mark.parametrize(("method", "path"), JSON_ROUTES)


def call(api: httpx.Client, route: Route, path: str, user: User, **headers: str) -> httpx.Response:
    """Call the route as its kind of client calls it."""
    auth = user.auth if route.signed_in else {}
    options: dict[str, Any] = {"headers": {**auth, **headers}}
    if path in FORMS:
        options["data"] = form_of(path, user)
    elif route.method in ("POST", "PATCH"):
        options["json"] = valid_body(path)
    return api.request(route.method, path, **options)


def form_of(path: str, user: User) -> Json:
    """Return the form that the route accepts."""
    if path == "/auth/revoke":
        return {"token": word()}
    return {"username": user.email, "password": PASSWORD}


def valid_body(path: str) -> Json:
    """Return JSON that the route accepts."""
    if path.startswith("/posts"):
        return {"title": word(), "body": "First lines."}
    if path == "/users/me":
        return {"current_password": PASSWORD, "password": PASSWORD}
    if path.startswith("/users"):
        return {"email": new_email(), "password": PASSWORD}
    return {"title": word(), "content": "Once upon a time."}
