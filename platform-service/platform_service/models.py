"""The tables. The database enforces the limits of the schemas, too."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, validates

from chassis import first_answers
from chassis.models import NAMING_CONVENTION, Publishable, UtcDateTime, Versioned
from chassis.search import Search
from chassis.visibility import index_lists
from platform_service.emails import email_key

EMAIL_LENGTH = 254
HASH_LENGTH = 255
TITLE_LENGTH = 200
CONTENT_LENGTH = 100_000
SHA256_LENGTH = 32

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


class Article(Versioned, Publishable, Base):
    """An article: a draft that only its owner sees, until it is published."""

    __tablename__ = "articles"
    __table_args__ = (
        sa.CheckConstraint(f"length(title) BETWEEN 1 AND {TITLE_LENGTH}", name="title_length"),
        sa.CheckConstraint(
            f"length(content) BETWEEN 1 AND {CONTENT_LENGTH}", name="content_length"
        ),
        sa.Index(None, "owner_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(TITLE_LENGTH))
    content: Mapped[str] = mapped_column(sa.Text)
    is_published: Mapped[bool] = mapped_column(server_default=sa.false())
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey(User.id, ondelete="RESTRICT"))

    # A query names what it loads. An owner that no query has loaded is an error, not a SELECT.
    owner: Mapped[User] = relationship(lazy="raise")

    @property
    def owner_email(self) -> str | None:
        """The e-mail of the owner, who must be loaded, or None where it is hidden."""
        return self.owner.email


index_lists(Article.is_published, Article.published_at, Article.owner_id, Article.id)

ARTICLE_SEARCH = Search(Article, "title", "content")


class RefreshToken(Base):
    """A refresh token, used or not. All that go back to one sign-in are its family."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        sa.Index(None, "family"),
        sa.Index(None, "user_id"),
        sa.Index(None, "expires_at"),
    )

    sha256: Mapped[bytes] = mapped_column(sa.LargeBinary(SHA256_LENGTH), primary_key=True)
    family: Mapped[bytes] = mapped_column(sa.LargeBinary(SHA256_LENGTH))  # its first one's sha256
    user_id: Mapped[int] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SignInNetwork(Base):
    """A network from which somebody signed in to an account, or failed to.

    An account is an e-mail, whether anybody has it or not.
    """

    __tablename__ = "sign_in_networks"
    __table_args__ = (sa.Index(None, "expires_at"),)

    # The SHA-256 of both, since what is typed as an e-mail may be a password.
    sha256: Mapped[bytes] = mapped_column(sa.LargeBinary(SHA256_LENGTH), primary_key=True)
    failures: Mapped[int]  # since somebody last signed in
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_known: Mapped[bool]  # Somebody has signed in from here.
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


first_answers.add_table(Base.metadata)
