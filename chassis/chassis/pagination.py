"""Pages of a list, by keyset: a deep page costs what the first one costs."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlencode

from fastapi import Request, Response
from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    func,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session

from chassis.pages import AnyPage

MAX_CHARACTERS = 510_000  # of a page's texts, so that many clients at once cannot fill the memory

Query = Select[*tuple[Any, ...]]
Row = dict[str, Any]
Parts = tuple[ColumnElement[bool], ...]
Columns = dict[str, ColumnElement[Any]]  # by name


class Selection(NamedTuple):
    """The rows that a list selects: the union of its parts.

    A part is a condition that one index serves in the order of the list. No row meets two parts.
    Parts are built once for all requests, since queries are cached by the identity of their parts.
    `values` has the values of their parameters. `key` is the column of ids to sort by, if it is
    that of another table.
    """

    parts: Parts
    values: Mapping[str, object]
    key: ColumnElement[int] | None = None


EVERYTHING = Selection((true(),), {})


def fetch_page(
    db: Session,
    shown: Query,
    page: AnyPage,
    selection: Selection = EVERYTHING,
) -> list[Row]:
    """Return the rows of the page in its order, and one row more if there are more.

    `shown` selects the columns, those of the order among them. It is built once for all requests.
    The rows are dicts: pydantic validates a dict several times faster than any other mapping.
    """
    parts, values, key = selection
    if not parts:
        return []
    position = page.position
    query = _page_query(shown, page.sort, parts, key, continues=bool(position), skips=page.skip > 0)
    result = db.execute(
        query,
        {
            **values,
            **{f"last_{name}": value for name, value in position.items()},
            "rows": page.limit + 1,
            "part_rows": page.skip + page.limit + 1,
            "skip": page.skip,
        },
    )
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.all()]


def count_rows(db: Session, shown: Query, selection: Selection = EVERYTHING) -> int:
    """Return how many rows the list has, whatever the page."""
    parts, values, _key = selection
    return int(db.scalars(_count_query(shown, parts), values).one()) if parts else 0


@lru_cache(maxsize=256)
def narrowed(parts: Parts, condition: ColumnElement[bool]) -> Parts:
    """Return the parts with one more condition, the same objects for the same arguments."""
    return tuple(part & condition for part in parts)


# To build a query for each request would cost more than to run it.
@lru_cache(maxsize=256)
def _page_query(
    shown: Query,
    sort: str,
    parts: Parts,
    key: ColumnElement[int] | None,
    *,
    continues: bool,
    skips: bool,
) -> Query:
    """Return the query of a page. It reads little more of each part than the page has.

    Each part alone has the order of an index. A single list with OR would be sorted, or would
    read all that this caller may not see. If there are several parts, only their keys are merged.
    """
    columns = _columns_of_order(shown, sort)
    if key is not None:
        columns["id"] = key
    if continues:
        parts = tuple(part & _comes_after(columns, sort) for part in parts)
    if len(parts) == 1:
        query = shown.where(*parts).limit(bindparam("rows"))
        return _in_order(query.offset(bindparam("skip")) if skips else query, columns, sort)
    keys = [_in_order(select(*columns.values()).where(part), columns, sort) for part in parts]
    first = [select(part.limit(bindparam("part_rows")).subquery()) for part in keys]
    merged = union_all(*first).subquery()
    chosen = _in_order(select(merged.c.id), {name: merged.c[name] for name in columns}, sort)
    chosen = chosen.limit(bindparam("rows"))
    chosen = chosen.offset(bindparam("skip")) if skips else chosen  # OFFSET 0 takes time too
    return _in_order(shown.where(shown.selected_columns["id"].in_(chosen)), columns, sort)


@lru_cache(maxsize=256)
def _count_query(shown: Query, parts: Parts) -> Query:
    key = shown.selected_columns["id"]
    counts = [select(func.count(key)).where(part).scalar_subquery() for part in parts]
    return select(sum(counts[1:], start=counts[0]))


def _columns_of_order(shown: Query, sort: str) -> Columns:
    """Return what a list is sorted by: `-published_at` by that column, and then by id."""
    return {name: shown.selected_columns[name] for name in (sort.removeprefix("-"), "id")}


def _in_order(query: Query, columns: Columns, sort: str) -> Query:
    is_descending = sort.startswith("-")
    return query.order_by(*(it.desc() if is_descending else it for it in columns.values()))


def _comes_after(columns: Columns, sort: str) -> ColumnElement[bool]:
    """Return the condition of the rows that follow a row in the order."""
    row = tuple_(*columns.values())
    last = tuple_(*(bindparam(f"last_{name}", type_=it.type) for name, it in columns.items()))
    return row < last if sort.startswith("-") else row > last


def link_next_page(
    request: Request, response: Response, page: AnyPage, found: list[Row]
) -> list[Row]:
    """Return the rows of the page. If more were found, set Link to what follows (RFC 8288)."""
    shown = found[: _length(found, page.limit)]
    if len(shown) < len(found):
        kept = {**request.query_params, **page.next_parameter(shown[-1])}
        kept.pop("skip", None)
        response.headers["Link"] = f'<{request.url.path}?{urlencode(kept)}>; rel="next"'
    return shown


def _length(found: list[Row], limit: int) -> int:
    """Return how many rows make the page: fewer than the limit where their texts are long."""
    size = 0
    for index, row in enumerate(found[:limit]):
        size += sum(len(value) for value in row.values() if isinstance(value, str))
        if size > MAX_CHARACTERS and index:
            return index
    return limit
