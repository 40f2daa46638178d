"""The gateway's own paths: pages for people, which load nothing from other hosts, and health."""

import re
from functools import partial
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.types import Scope

from gateway.problems import RETRY_SOON, Problem

FOLDER = Path(__file__).parent
STRICT = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "style-src 'self'; img-src 'self'"
)
# Swagger UI has icons in data: URLs and calls the API from the page.
SWAGGER_UI = f"{STRICT} data:; script-src 'self'; connect-src 'self'"
NEVER_CACHED = {"Cache-Control": "no-store"}
NEVER_STALE = {"Cache-Control": "public, no-cache"}  # the pages show how the services stand
PLAIN_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")  # nothing in it is special to a shell

templates = Jinja2Templates(FOLDER / "templates")


class WholeFiles(StaticFiles):
    """Files that are always sent whole, as RFC 9110, section 14.2 allows.

    Starlette answers an invalid Range in plain text.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the response, which promises no ranges."""
        scope["headers"] = [field for field in scope["headers"] if field[0] != b"range"]
        response = await super().get_response(path, scope)
        response.headers["accept-ranges"] = "none"
        return response


# Swagger UI comes with fastapi-offline: locked by a hash, updated with the other packages, and
# served from here, where FastAPI's own page loads it from another host.
static = WholeFiles(directory=FOLDER / "static", packages=[("fastapi_offline", "static")])

router = APIRouter(include_in_schema=False)
page = partial(router.api_route, methods=["GET", "HEAD"])


@page("/")
async def home(request: Request) -> Response:
    """Show what this is, which services are up, the routes and how to begin."""
    documents, host = request.app.state.documents, request.headers.get("host", "")
    context = {
        "statuses": request.app.proxy.statuses(),
        "paths": (await documents.merged())["paths"],
        "host": host if PLAIN_HOST.fullmatch(host) else "localhost",
    }
    headers = {"Content-Security-Policy": STRICT, **NEVER_STALE}
    return templates.TemplateResponse(request, "home.html", context, headers=headers)


@page("/docs")
async def docs(request: Request) -> Response:
    """Show Swagger UI."""
    headers = {"Content-Security-Policy": SWAGGER_UI, **NEVER_STALE}
    return templates.TemplateResponse(request, "docs.html", headers=headers)


@page("/openapi.json")
async def openapi(request: Request) -> Response:
    """Return the merged OpenAPI document."""
    return JSONResponse(await request.app.state.documents.merged(), headers=NEVER_STALE)


@page("/livez")
async def livez() -> Response:
    """Answer as long as the process does."""
    return JSONResponse({"status": "up"}, headers=NEVER_CACHED)


@page("/readyz")
async def readyz(request: Request) -> Response:
    """Answer 200 while at least one service is ready and the gateway is not stopping."""
    statuses = request.app.proxy.statuses()
    if "up" in statuses.values() and not request.app.state.draining:
        return JSONResponse({"status": "up", "checks": statuses}, headers=NEVER_CACHED)
    raise Problem(503, "The gateway is not ready.", RETRY_SOON, checks=statuses)
