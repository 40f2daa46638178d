"""Rows that expire go away, a few at a time."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis import expiry
from chassis.database import Database
from chassis.expiry import delete_expired
from chassis.models import UtcDateTime

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Base(DeclarativeBase):
    """The base of a table that only this test has."""


class Ticket(Base):
    __tablename__ = "tickets"

    id: Mapped[int] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


@pytest.fixture
def tickets(database: Database) -> None:
    """Tickets that expire at noon and each an hour later, the earliest last."""
    with database.engine.begin() as connection:
        Base.metadata.create_all(connection)
        rows = [{"id": 5 - it, "expires_at": NOW + timedelta(hours=it)} for it in range(5)]
        connection.execute(sa.insert(Ticket), rows)


def left(database: Database) -> set[int]:
    with database.read_session() as db:
        return set(db.scalars(sa.select(Ticket.id)))


@pytest.mark.usefixtures("tickets")
def test_what_has_expired_first_goes_first(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "ROWS", 2)
    expiry._deletion.cache_clear()
    for hours, rows in [
        (-1, {1, 2, 3, 4, 5}),
        (0, {1, 2, 3, 4}),
        (3, {1, 2}),
        (3, {1}),
        (9, set()),
    ]:
        with database.write_session() as db, db.begin():
            delete_expired(db, Ticket, NOW + timedelta(hours=hours))
        assert left(database) == rows
    expiry._deletion.cache_clear()


@pytest.mark.usefixtures("tickets")
@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_rows_that_another_transaction_deletes_are_not_waited_for(database: Database) -> None:
    with database.write_session() as first, database.write_session() as second:
        delete_expired(first, Ticket, NOW)
        delete_expired(second, Ticket, NOW + timedelta(hours=1))
        second.commit()
        first.rollback()
    assert left(database) == {1, 2, 3, 5}
