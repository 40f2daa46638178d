"""Search: the rows whose texts hold all words of a query, found by an index of the database.

A service names a model and its columns: `Search(Note, "text")`. The database keeps the words of
each row by itself, whoever writes: on PostgreSQL in a tsvector with a GIN index, on SQLite in a
table of FTS5. `chassis.words` has the rule of what a word is.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    event,
    func,
    literal_column,
    or_,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Session

from chassis.database import Database
from chassis.pages import LAST_PUBLISHED_FIRST, TextPage
from chassis.pagination import Parts, Selection, narrowed
from chassis.search_schema import SEARCH_WORDS
from chassis.search_upkeep import create_search, fill_search
from chassis.words import words_of

FEW = 25_000  # rows that SQLite sorts faster than it reads the table in an order


class Search:
    """The search in the texts of a table."""

    def __init__(self, model: type[DeclarativeBase], *columns: str) -> None:
        self._table = table = cast("Table", model.__table__)
        self._columns = columns
        event.listen(table, "after_create", self._create)
        words = bindparam("searched_words", type_=Text)
        query = getattr(func, f"{table.name}_{SEARCH_WORDS}_query")(words)
        kept: ColumnElement[Any] = literal_column(f"{table.name}.{SEARCH_WORDS}")
        holds: ColumnElement[bool] = kept.bool_op("@@")(query)
        # PostgreSQL knows how frequent the thousand most frequent words are, and takes others for
        # hardly rarer. Said three times, a word must be in a sixth of the rows before the planner
        # reads the table in an order instead of the index of words: else that may take seconds.
        self._on_postgresql: ColumnElement[bool] = holds & holds & holds
        fts = Table(
            f"{table.name}_{SEARCH_WORDS}",
            MetaData(),
            Column("rowid", Integer),
            Column(f"{table.name}_{SEARCH_WORDS}", Text),  # MATCH asks the table by its name
        )
        self._rowid = fts.c.rowid
        matches = fts.c[fts.name].bool_op("MATCH")(words)
        hits = select(self._rowid).where(matches)
        self._probe = select(func.count()).select_from(hits.limit(FEW + 1).subquery())
        # FTS5 yields the rows in the order of their ids.
        self._in_order: ColumnElement[bool] = matches & (table.c.id == self._rowid)
        # FTS5 comes first, since it cannot be asked for a sum.
        self._few: ColumnElement[bool] = matches & (table.c.id == self._rowid + text("0"))
        # The table comes first, in the order of one of its indexes.
        self._many: ColumnElement[bool] = (table.c.id + text("0")).in_(hits)

    def find(
        self,
        db: Session,
        page: TextPage,
        parts: Parts,
        values: Mapping[str, object],
        *,
        is_narrow: bool,
    ) -> Selection:
        """Return the parts of a list with the condition that a row has all words of the query.

        `is_narrow` says that the parts are a small share of the rows, as those of one owner are.
        """
        if page.q is None or not parts:
            return Selection(parts, values)
        if db.get_bind().dialect.name == "postgresql":
            values = {**values, "searched_words": page.q}
            return Selection(narrowed(parts, self._on_postgresql), values)
        words = words_of(page.q)
        values = {**values, "searched_words": " ".join(f'"{word}"' for word in words)}
        if not words:
            return Selection((), values)
        if page.sort != LAST_PUBLISHED_FIRST and not is_narrow:
            return Selection(narrowed((_any(parts),), self._in_order), values, self._rowid)
        has_few = db.scalars(self._probe, values).one() <= FEW
        return Selection(narrowed(parts, self._few if has_few else self._many), values)

    def fill(self, database: Database) -> None:
        """Keep the words of the rows that an earlier release wrote, while it may be serving."""
        fill_search(database, self._table.name, *self._columns)

    def _create(self, _table: Table, connection: Connection, **_options: Any) -> None:
        create_search(connection, self._table.name, *self._columns)


@lru_cache(maxsize=256)
def _any(parts: Parts) -> ColumnElement[bool]:
    return or_(*parts)
