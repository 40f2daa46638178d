"""A database that takes what is sent and answers nothing, as if it were paused."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from sqlalchemy import QueuePool, event

from chassis.database import Database
from chassis_testing.waiting import until


@contextmanager
def hanging(database: Database) -> Iterator[None]:
    """Delay every statement until the end of the block."""
    ended = Event()

    def wait(*_: object) -> None:
        ended.wait()

    for engine in (database.read_engine, database.engine):
        event.listen(engine, "before_cursor_execute", wait)
    try:
        yield
    finally:
        ended.set()
        # Nothing would close a connection that comes back after the end of its pool.
        until(lambda: connections_at_work(database) == 0, "the last statement's end")


def connections_at_work(database: Database) -> int:
    """Return how many connections are out of their pools."""
    pools = [database.read_engine.pool, database.engine.pool]
    return sum(pool.checkedout() for pool in pools if isinstance(pool, QueuePool))
