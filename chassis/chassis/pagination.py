"""Pages of a list, by keyset: a deep page costs what the first one costs."""

from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from fastapi import Request, Response
from sqlalchemy import RowMapping, Select
from sqlalchemy.orm import InstrumentedAttribute

from chassis.schemas import Page

MAX_CHARACTERS = 500_000  # of a page's texts, so that many clients at once cannot fill the memory

Query = TypeVar("Query", bound=Select[*tuple[Any, ...]])


def paginate(query: Query, key: InstrumentedAttribute[int], page: Page) -> Query:
    """Order a query by its key and limit it to the page, and one row more if there are more."""
    query = query.order_by(key).limit(page.limit + 1)
    return query.offset(page.skip) if page.after is None else query.where(key > page.after)


def link_next_page(
    request: Request, response: Response, page: Page, found: Sequence[RowMapping]
) -> Sequence[RowMapping]:
    """Return the rows of the page. If more were found, set Link to what follows (RFC 8288)."""
    shown = found[: _length(found, page.limit)]
    if len(shown) < len(found):
        kept = {**request.query_params, "after": str(shown[-1]["id"])}
        kept.pop("skip", None)
        response.headers["Link"] = f'<{request.url.path}?{urlencode(kept)}>; rel="next"'
    return shown


def _length(found: Sequence[RowMapping], limit: int) -> int:
    """Return how many rows make the page: fewer than the limit where their texts are long."""
    size = 0
    for index, row in enumerate(found[:limit]):
        size += sum(len(value) for value in row.values() if isinstance(value, str))
        if size > MAX_CHARACTERS and index:
            return index
    return limit
