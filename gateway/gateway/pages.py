"""The pages for people: / and /docs, with every file of theirs from here and no foreign host."""

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

FOLDER = Path(__file__).parent
STRICT = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "style-src 'self'; img-src 'self'"
)
# Swagger UI has icons in data: URLs and calls the API from the page.
SWAGGER_UI = f"{STRICT} data:; script-src 'self'; connect-src 'self'"

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(FOLDER / "templates")
assets = StaticFiles(directory=FOLDER / "static", packages=[("fastapi_offline", "static")])


@router.api_route("/", methods=["GET", "HEAD"])
async def home(request: Request) -> Response:
    """Show what this is, which services are up, the routes and how to begin."""
    state = request.app.state
    context = {
        "statuses": await state.health.statuses(),
        "paths": (await state.documents.current())["paths"],
    }
    policy = {"Content-Security-Policy": STRICT}
    return templates.TemplateResponse(request, "home.html", context, headers=policy)


@router.api_route("/docs", methods=["GET", "HEAD"])
async def docs(request: Request) -> Response:
    """Show Swagger UI."""
    policy = {"Content-Security-Policy": SWAGGER_UI}
    return templates.TemplateResponse(request, "docs.html", headers=policy)
