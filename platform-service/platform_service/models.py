"""The tables. Limits that the schemas promise are kept by the database too."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

EMAIL_LENGTH = 254
HASH_LENGTH = 255
TITLE_LENGTH = 200
CONTENT_LENGTH = 100_000

# SQLite numbers rows by itself only where the column is an INTEGER.
Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC. SQLite keeps no time zone: what it returns is given one here."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Mark the moment that SQLite returned as UTC."""
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Every constraint has a predictable name, so that a migration can change it."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class User(Base):
    """Somebody who can sign in."""

    __tablename__ = "users"
    __table_args__ = (
        sa.CheckConstraint(f"length(email) BETWEEN 3 AND {EMAIL_LENGTH}", name="email_length"),
        {"sqlite_autoincrement": True},  # an id is never used twice
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(EMAIL_LENGTH))
    hashed_password: Mapped[str] = mapped_column(sa.String(HASH_LENGTH))
    is_active: Mapped[bool] = mapped_column(server_default=sa.true())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=sa.func.now())


# One address is one user, in whatever letter case it is written.
sa.Index("uq_users_email_lower", sa.func.lower(User.email), unique=True)


class Article(Base):
    """An article: a draft that only its owner sees, until it is published."""

    __tablename__ = "articles"
    __table_args__ = (
        sa.CheckConstraint(f"length(title) BETWEEN 1 AND {TITLE_LENGTH}", name="title_length"),
        sa.CheckConstraint(
            f"length(content) BETWEEN 1 AND {CONTENT_LENGTH}", name="content_length"
        ),
        sa.Index(None, "is_published", "id"),
        sa.Index(None, "owner_id", "id"),
        sa.Index(None, "owner_id", "is_published", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(TITLE_LENGTH))
    content: Mapped[str] = mapped_column(sa.Text)
    is_published: Mapped[bool] = mapped_column(server_default=sa.false())
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey(User.id, ondelete="RESTRICT"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=sa.func.now())
