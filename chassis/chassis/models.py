"""Pieces of the models of every service."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, validates
from sqlalchemy.types import TypeDecorator

# Every constraint has a predictable name, so that a migration can change it.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class _SqliteDateTime(sqlite.DATETIME):
    """A moment with a fraction only if there is one, as in rows that earlier releases wrote.

    Each moment then has exactly one text, and texts sort as moments do.
    """

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], str | None]:
        """Return the function that makes the text."""
        write: Any = super().bind_processor(dialect)
        return lambda moment: moment and write(moment).removesuffix(".000000")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC. SQLite stores no time zone, so that one is added to what it returns."""

    impl = sa.DateTime(timezone=True).with_variant(_SqliteDateTime(), "sqlite")  # type: ignore[no-untyped-call]
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Return the moment with its time zone."""
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


# The time of the database's clock, which all replicas share. In a transaction it goes on, whereas
# `sa.func.now()` is the moment at which the transaction began. Both have microseconds.
NOW = sa.func.clock_timestamp(type_=UtcDateTime)


class Versioned:
    """The columns that say when a row was written, when it was changed, and how often.

    The ORM counts the versions, from 1. A release that knows none of these columns may write too.
    """

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=sa.func.now())
    # FetchedValue: the ORM reads it back after an INSERT, too.
    changed_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, server_default=sa.FetchedValue(), onupdate=sa.func.now()
    )
    version: Mapped[int] = mapped_column(server_default=sa.text("1"))

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:  # SQLAlchemy's name
        """Return the mapper's options: it counts versions, and each write returns its times."""
        return {"version_id_col": cls.version, "eager_defaults": True}

    @property
    def updated_at(self) -> datetime:
        """The time of the last change, or of the creation if there was none."""
        return self.changed_at or self.created_at


class Publishable:
    """The column that says when a row was published first, and what sets it.

    The model itself has a column `published` or `is_published`.
    """

    # FetchedValue: the ORM reads back what `now()` below set.
    published_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, server_default=sa.FetchedValue()
    )

    @validates("published", "is_published")
    def _set_published_at(self, _field: str, is_published: bool) -> bool:
        if is_published and self.published_at is None:
            self.published_at = sa.func.now()
        return is_published
