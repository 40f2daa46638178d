"""A database that takes what is sent and answers nothing, as if it were paused."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from sqlalchemy import event

from chassis.database import Database


@contextmanager
def hanging(database: Database) -> Iterator[None]:
    """Delay every statement until the end of the block."""
    ended = Event()

    def wait(*_: object) -> None:
        ended.wait()

    for engine in (database.snapshots, database.engine):
        event.listen(engine, "before_cursor_execute", wait)
    try:
        yield
    finally:
        ended.set()
