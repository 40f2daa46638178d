"""The table of first answers: what a request was answered when its key was new.

Nothing here commits. A key is stored in the transaction that creates, and the answer with it.
"""

from datetime import UTC, datetime, timedelta
from typing import TypedDict

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert  # SQLite's compiler takes it, too
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from chassis.expiry import delete_expired
from chassis.models import NAMING_CONVENTION, UtcDateTime

KEY_LENGTH = 255
SECRET_LENGTH = 255
LOCATION_LENGTH = 255
ETAG_LENGTH = 100
KEPT = timedelta(hours=24)


class _Base(DeclarativeBase):
    metadata = sa.MetaData(naming_convention=NAMING_CONVENTION)


class FirstAnswer(_Base):
    """The first answer to a key."""

    __tablename__ = "idempotency_keys"

    caller_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    route: Mapped[str] = mapped_column(sa.String(100), primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(KEY_LENGTH), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(sa.String(64))
    # The slow hash of what is not in the fingerprint, which is a fast one.
    secret: Mapped[str | None] = mapped_column(sa.String(SECRET_LENGTH))
    # Null only before the end of the transaction that creates.
    status: Mapped[int | None]
    location: Mapped[str | None] = mapped_column(sa.String(LOCATION_LENGTH), index=True)
    etag: Mapped[str | None] = mapped_column(sa.String(ETAG_LENGTH))
    body: Mapped[str | None] = mapped_column(sa.Text)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


def add_table(metadata: sa.MetaData) -> None:
    """Add the table to those of a service."""
    _Base.metadata.tables[FirstAnswer.__tablename__].to_metadata(metadata)


class Key(TypedDict):
    """The primary key: a caller may use the same text for each route."""

    caller_id: int
    route: str
    key: str


NEW = insert(FirstAnswer).values(
    {
        column: sa.bindparam(column)
        for column in ("caller_id", "route", "key", "fingerprint", "expires_at")
    }
)
# An expired key counts as new.
CLAIM = NEW.on_conflict_do_update(
    index_elements=sa.inspect(FirstAnswer).primary_key,
    set_={name: NEW.excluded[name] for name in ("fingerprint", "expires_at")},
    where=FirstAnswer.expires_at <= sa.bindparam("now"),
).returning(FirstAnswer.key)


def claim(db: Session, key: Key, fingerprint: str) -> FirstAnswer | None:
    """Store a key that is new, or return the first answer to it.

    Where another transaction has stored the key, this waits for its end.
    """
    now = datetime.now(UTC)
    values = {**key, "fingerprint": fingerprint, "now": now, "expires_at": now + KEPT}
    return None if db.scalar(CLAIM, values) else db.get_one(FirstAnswer, key)


def keep(db: Session, key: Key, **answer: int | str | None) -> None:
    """Store the answer to a key that is new, by columns."""
    db.execute(sa.update(FirstAnswer), [{**key, **answer}])
    delete_expired(db, FirstAnswer, datetime.now(UTC))


def forget(db: Session, *, caller_id: int, location: str) -> None:
    """Remove the answers to a caller, and the one that made the caller: it has this location."""
    is_of_caller = sa.or_(FirstAnswer.caller_id == caller_id, FirstAnswer.location == location)
    db.execute(sa.delete(FirstAnswer).where(is_of_caller))
