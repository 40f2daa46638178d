"""The tables. The database keeps the limits that the schemas promise, too."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, validates

from chassis import first_answers
from chassis.models import NAMING_CONVENTION, UtcDateTime, Versioned
from chassis.search import Search

TITLE_LENGTH = 200
BODY_LENGTH = 100_000


class Base(DeclarativeBase):
    """The base of every model of this service."""

    metadata = sa.MetaData(naming_convention=NAMING_CONVENTION)


class Post(Versioned, Base):
    """A blog post."""

    __tablename__ = "posts"
    __table_args__ = (
        sa.CheckConstraint(f"length(title) BETWEEN 1 AND {TITLE_LENGTH}", name="title_length"),
        sa.CheckConstraint(f"length(body) <= {BODY_LENGTH}", name="body_length"),
        sa.Index(None, "published", "id"),
        sa.Index(None, "author_id", "published", "id"),
        {"sqlite_autoincrement": True},  # an id is never used twice
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(TITLE_LENGTH))
    body: Mapped[str | None] = mapped_column(sa.Text)
    published: Mapped[bool] = mapped_column(server_default=sa.false())
    # The id that the author's token names. Null: nobody's.
    author_id: Mapped[int | None] = mapped_column(sa.BigInteger)
    # So marked, what the expression below sets comes back with the INSERT.
    published_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, server_default=sa.FetchedValue()
    )

    @validates("published")
    def _set_published_at(self, _field: str, published: bool) -> bool:
        if published and self.published_at is None:
            self.published_at = sa.func.now()
        return published


# For lists by time, which have the same condition (see chassis.visibility).
LISTED = Post.published.is_not(False) & Post.published_at.is_not(None)
BY_TIME = Post.published_at, Post.id
sa.Index(None, *BY_TIME, sqlite_where=LISTED, postgresql_where=LISTED)
sa.Index(None, Post.author_id, *BY_TIME, sqlite_where=LISTED, postgresql_where=LISTED)

POST_SEARCH = Search(Post, "title", "body")

first_answers.add_table(Base.metadata)
