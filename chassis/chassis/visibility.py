"""Visibility: a list shows all that is published, and of the drafts the caller's own.

Each of its conditions has the order of an index. The indexes by time are partial ones. The first
half of their condition, IS NOT false, says the same as IS true, for which SQLite without statistics
would choose another index, and sort.
"""

from typing import Any

from sqlalchemy import ColumnElement, Index, bindparam
from sqlalchemy.orm import Session

from chassis.pages import LAST_PUBLISHED_FIRST, TextPage
from chassis.pagination import Parts, Selection
from chassis.search import Search

OWNER, CALLER = "owner_id", "caller_id"  # the parameters of the conditions


def _dated(published: Any, published_at: Any) -> ColumnElement[bool]:
    """Return the condition of the lists by time, and of their indexes."""
    dated: ColumnElement[bool] = published.is_not(False) & published_at.is_not(None)
    return dated


def index_lists(published: Any, published_at: Any, owner: Any, key: Any) -> None:
    """Add the indexes of the lists to the table that has these columns."""
    dated = _dated(published, published_at)
    Index(None, published, key)
    Index(None, owner, published, key)  # drafts too
    Index(None, published_at, key, sqlite_where=dated, postgresql_where=dated)
    Index(None, owner, published_at, key, sqlite_where=dated, postgresql_where=dated)


class Visibility:
    """The conditions of the lists of a table whose rows are published by their owners."""

    def __init__(
        self,
        search: Search,
        published: ColumnElement[bool],
        published_at: ColumnElement[Any],
        owner: ColumnElement[Any],
        *,
        shares_drafts_of_nobody: bool = False,
    ) -> None:
        self._search = search
        of_owner = owner == bindparam(OWNER)
        draft = published.is_(False)
        dated = _dated(published, published_at)
        self._published = {False: published.is_(True), True: published.is_(True) & of_owner}
        self._dated = {False: dated, True: dated & of_owner}
        self._own = draft & (owner == bindparam(CALLER))
        self._nobodys = draft & owner.is_(None) if shares_drafts_of_nobody else None

    def selection(
        self,
        db: Session,
        page: TextPage,
        *,
        published: bool | None,
        owner_id: int | None,
        caller_id: int | None,
    ) -> Selection:
        """Return what a list selects: what filters and words find and the caller may see.

        On SQLite, a search may first run a query that counts what it finds.
        """
        parts = self._parts(page.sort, published, owner_id, caller_id)
        is_narrow = owner_id is not None or published is False
        values = {OWNER: owner_id, CALLER: caller_id}
        return self._search.find(db, page, parts, values, is_narrow=is_narrow)

    def _parts(
        self, sort: str, published: bool | None, owner_id: int | None, caller_id: int | None
    ) -> Parts:
        """Return the parts of a list, for the filters that are not None.

        Sorted by time it has no drafts, so that it is empty if only drafts are asked for.
        """
        parts = []
        if published is not False:
            by_filter = self._dated if sort == LAST_PUBLISHED_FIRST else self._published
            parts.append(by_filter[owner_id is not None])
        if published is not True and sort != LAST_PUBLISHED_FIRST:
            if owner_id is None and self._nobodys is not None:
                parts.append(self._nobodys)
            if caller_id is not None and owner_id in {None, caller_id}:
                parts.append(self._own)
        return tuple(parts)
