"""The tables. The database enforces the limits of the schemas, too."""

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis import first_answers
from chassis.models import NAMING_CONVENTION, Publishable, Versioned
from chassis.search import Search
from chassis.visibility import index_lists

TITLE_LENGTH = 200
BODY_LENGTH = 100_000


class Base(DeclarativeBase):
    """The base of every model of this service."""

    metadata = sa.MetaData(naming_convention=NAMING_CONVENTION)


class Post(Versioned, Publishable, Base):
    """A blog post."""

    __tablename__ = "posts"
    __table_args__ = (
        sa.CheckConstraint(f"length(title) BETWEEN 1 AND {TITLE_LENGTH}", name="title_length"),
        sa.CheckConstraint(f"length(body) <= {BODY_LENGTH}", name="body_length"),
        {"sqlite_autoincrement": True},  # an id is never used twice
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(TITLE_LENGTH))
    body: Mapped[str | None] = mapped_column(sa.Text)
    published: Mapped[bool] = mapped_column(server_default=sa.false())
    # The author's id, from the token. Null if the post has no author.
    author_id: Mapped[int | None] = mapped_column(sa.BigInteger)


index_lists(Post.published, Post.published_at, Post.author_id, Post.id)

POST_SEARCH = Search(Post, "title", "body")

first_answers.add_table(Base.metadata)
