"""The tables. The database keeps the limits that the schemas promise, too."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, validates

from chassis.models import NAMING_CONVENTION, UtcDateTime, Versioned
from platform_service.emails import email_key

EMAIL_LENGTH = 254
HASH_LENGTH = 255
TITLE_LENGTH = 200
CONTENT_LENGTH = 100_000

# SQLite numbers rows by itself only where the column is an INTEGER.
Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


class Base(DeclarativeBase):
    """The base of every model of this service."""

    metadata = sa.MetaData(naming_convention=NAMING_CONVENTION)


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
    # Null in a row that release 1.1 wrote, until the next migration.
    email_key: Mapped[str | None] = mapped_column(sa.String(EMAIL_LENGTH))

    @validates("email")
    def _set_email_key(self, _field: str, email: str) -> str:
        self.email_key = email_key(email)
        return email


# One address is one user, in whatever letter case it is written.
sa.Index("uq_users_email_key", User.email_key, unique=True)
# The same by the rule of the database, for as long as there are rows without a key.
sa.Index("uq_users_email_lower", sa.func.lower(User.email), unique=True)


class Article(Versioned, Base):
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
    # So marked, what the expression below sets comes back with the INSERT.
    published_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, server_default=sa.FetchedValue()
    )

    # A query names what it loads. An owner that no query has loaded is an error, not a SELECT.
    owner: Mapped[User] = relationship(lazy="raise")

    @validates("is_published")
    def _set_published_at(self, _field: str, is_published: bool) -> bool:
        if is_published and self.published_at is None:
            self.published_at = sa.func.now()
        return is_published

    @property
    def owner_email(self) -> str:
        """The e-mail of the owner, who must be loaded."""
        return self.owner.email
