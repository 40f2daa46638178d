"""Making, removing and filling the search of a table, in migrations and beside them."""
# ruff: noqa: S608 - the names of tables and columns stand in the code

import time

from sqlalchemy import Connection, bindparam, text

from chassis.database import Database
from chassis.postgresql import version_of
from chassis.search_schema import SEARCH_WORDS, Statements, for_postgresql, for_sqlite

BATCH_SECONDS = 0.1  # of a transaction that fills, so that no request waits for long
MOST_ROWS = 1000  # of such a transaction
PAUSE = 0.5  # of that time is left to others before the next one
IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"


def create_search(connection: Connection, table: str, *columns: str) -> None:
    """Create the search of a table. `fill_search` adds the rows that are already there."""
    statements = _statements(connection, table, columns)
    for statement in statements.create:
        connection.exec_driver_sql(statement)
    if statements.index and connection.scalar(text(f"SELECT id FROM {table} LIMIT 1")) is None:
        connection.exec_driver_sql(f"CREATE INDEX {statements.index}")


def drop_search(connection: Connection, table: str, *columns: str) -> None:
    """Remove what `create_search` has made."""
    for statement in _statements(connection, table, columns).drop:
        connection.exec_driver_sql(statement)


def fill_search(database: Database, table: str, *columns: str) -> None:
    """Keep the words of rows that have been there before, over many transactions.

    A row that is locked by a request is left to another round.
    """
    has_filled = False
    while _fill_round(database, table, columns):
        has_filled = True
    if database.engine.dialect.name == "postgresql":
        _make_index(database, table, columns)
        if has_filled:
            with database.migration() as connection:
                connection.execute(text(f"ANALYZE {table}"))  # the planner must know frequent words


def _make_index(database: Database, table: str, columns: tuple[str, ...]) -> None:
    """Make the index if it is missing or unfinished, while others read and write the table."""
    name = f"ix_{table}_{SEARCH_WORDS}"
    unlocked = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with unlocked.connect() as connection:
        connection.execute(text("SET statement_timeout = 0"))
        try:
            if not connection.scalar(text(IS_VALID), {"name": name}):
                connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {name}"))
                index = _statements(connection, table, columns).index
                connection.execute(text(f"CREATE INDEX CONCURRENTLY {index}"))
        finally:
            connection.execute(text("RESET statement_timeout"))


def _fill_round(database: Database, table: str, columns: tuple[str, ...]) -> bool:
    last, rows, has_filled = 0, 10, False
    while True:
        began = time.monotonic()
        with database.migration() as connection:
            ids = _fill_some(connection, table, columns, last, rows)
        if not ids:
            return has_filled
        last, has_filled = ids[-1], True
        took = time.monotonic() - began
        rows = max(1, min(MOST_ROWS, int(len(ids) * BATCH_SECONDS / took)))
        time.sleep(took * PAUSE)


def _fill_some(
    connection: Connection, table: str, columns: tuple[str, ...], last: int, rows: int
) -> list[int]:
    statements = _statements(connection, table, columns)
    chosen = (
        f"SELECT id FROM {table} WHERE id > :last AND {statements.missing} "
        f"ORDER BY id LIMIT :rows {statements.lock}"
    )
    ids = list(connection.scalars(text(chosen), {"last": last, "rows": rows}))
    if ids:
        filling = text(statements.fill).bindparams(bindparam("ids", expanding=True))
        connection.execute(filling, {"ids": ids})
    return ids


def _statements(connection: Connection, table: str, columns: tuple[str, ...]) -> Statements:
    if connection.dialect.name == "postgresql":
        return for_postgresql(table, columns, version_of(connection))
    return for_sqlite(table, columns)
