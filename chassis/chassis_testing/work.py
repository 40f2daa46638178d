"""The work of a query, which unlike its time is the same on a slow machine."""

from typing import Any

from sqlalchemy import Connection

from chassis.database import Database


def work_of(database: Database, statement: str, values: Any) -> int:
    """Return how much a query reads: blocks in PostgreSQL, hundreds of instructions in SQLite."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            return _blocks(connection, statement, values)
        return _instructions(connection, statement, values)


def _blocks(connection: Connection, statement: str, values: Any) -> int:
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
    (top,) = connection.exec_driver_sql(explain, values).scalar_one()
    plan = top["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def _instructions(connection: Connection, statement: str, values: Any) -> int:
    count = 0

    def note() -> None:
        nonlocal count
        count += 1

    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(note, 100)
    try:
        connection.exec_driver_sql(statement, values).all()
    finally:
        driver.set_progress_handler(None, 0)
    return count
