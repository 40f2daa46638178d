"""What the gateway serves itself: pages for people, without a foreign host, and for machines."""

import re
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from gateway.problems import RETRY_SOON, Problem

FOLDER = Path(__file__).parent
STRICT = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "style-src 'self'; img-src 'self'"
)
# Swagger UI has icons in data: URLs and calls the API from the page.
SWAGGER_UI = f"{STRICT} data:; script-src 'self'; connect-src 'self'"
NEVER_CACHED = {"Cache-Control": "no-store"}
PLAIN_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")  # which a shell takes as it is


templates = Jinja2Templates(FOLDER / "templates")
assets = StaticFiles(directory=FOLDER / "static", packages=[("fastapi_offline", "static")])


async def home(request: Request) -> Response:
    """Show what this is, which services are up, the routes and how to begin."""
    services, host = request.app.state.gateway.services, request.headers["host"]
    context = {
        "statuses": await services.statuses(),
        "paths": (await services.document())["paths"],
        "host": host if PLAIN_HOST.fullmatch(host) else "localhost",
    }
    policy = {"Content-Security-Policy": STRICT}
    return templates.TemplateResponse(request, "home.html", context, headers=policy)


async def docs(request: Request) -> Response:
    """Show Swagger UI."""
    policy = {"Content-Security-Policy": SWAGGER_UI}
    return templates.TemplateResponse(request, "docs.html", headers=policy)


async def openapi(request: Request) -> Response:
    """Answer the merged document."""
    return JSONResponse(await request.app.state.gateway.services.document())


async def live(_: Request) -> Response:
    """Tell that the process answers."""
    return JSONResponse({"status": "up"}, headers=NEVER_CACHED)


async def ready(request: Request) -> Response:
    """Tell whether an upstream is ready and the gateway is not about to stop."""
    gateway = request.app.state.gateway
    statuses = await gateway.services.statuses()
    if "up" in statuses.values() and not gateway.draining:
        return JSONResponse({"status": "up", "checks": statuses}, headers=NEVER_CACHED)
    raise Problem(503, "The gateway is not ready.", RETRY_SOON, checks=statuses)


PAGES = {"/": home, "/docs": docs, "/openapi.json": openapi, "/livez": live, "/readyz": ready}
