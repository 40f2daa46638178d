"""The Link header of a list (RFC 8288), by keyset: a deep page costs what the first costs."""

from urllib.parse import urlencode

from fastapi import Request, Response

from blog_service.schemas import PostOut, PostPage

MAX_CHARACTERS = 500_000  # of a page's texts, so that many clients at once cannot fill the memory


def link_next_page(
    request: Request, response: Response, page: PostPage, found: list[PostOut]
) -> list[PostOut]:
    """Cut the list to the page; when more was found, link what follows the page's last id."""
    shown = found[: _length(found, page.limit)]
    if len(shown) == len(found):
        return found
    kept = {**request.query_params, "after": str(shown[-1].id)}
    kept.pop("skip", None)
    response.headers["Link"] = f'<{request.url.path}?{urlencode(kept)}>; rel="next"'
    return shown


def _length(found: list[PostOut], limit: int) -> int:
    """Shorten a page of long texts: the keyset link leads on from wherever it ends."""
    size = 0
    for index, item in enumerate(found[:limit]):
        size += len(item.body or "")
        if size > MAX_CHARACTERS and index:
            return index
    return limit
