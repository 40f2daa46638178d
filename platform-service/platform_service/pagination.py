"""The Link header of a list (RFC 8288), by keyset: a deep page costs what the first costs."""

from typing import TypeVar
from urllib.parse import urlencode

from fastapi import Request, Response

from platform_service.schemas import ArticleOut, Page, UserOut

Shown = TypeVar("Shown", UserOut, ArticleOut)


def link_next_page(
    request: Request, response: Response, page: Page, found: list[Shown]
) -> list[Shown]:
    """Cut the list to the page; when more was found, link what follows the page's last id."""
    if len(found) <= page.limit:
        return found
    shown = found[: page.limit]
    kept = {**request.query_params, "after": str(shown[-1].id)}
    kept.pop("skip", None)
    response.headers["Link"] = f'<{request.url.path}?{urlencode(kept)}>; rel="next"'
    return shown
