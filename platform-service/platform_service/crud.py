"""All database logic. Nothing here commits: the session's `write` ends the transaction."""

from functools import cache
from typing import Any, NamedTuple, TypeVar, cast

import sqlalchemy as sa
from pydantic import BaseModel, TypeAdapter
from sqlalchemy.exc import IntegrityError

from platform_service.errors import EmailTakenError, ForbiddenError, NotFoundError
from platform_service.models import Article, User
from platform_service.schemas import (
    ArticleCreate,
    ArticleOut,
    ArticlePage,
    ArticleUpdate,
    Page,
    UserOut,
)

Shown = TypeVar("Shown", bound=BaseModel)

# Tables and a connection rather than entities and an ORM session: a request shows a row once and
# needs no identity map, and a row costs a third of an object.
users = cast("sa.Table", User.__table__)
articles = cast("sa.Table", Article.__table__)

_USERS_OUT = TypeAdapter(list[UserOut])
_ARTICLES_OUT = TypeAdapter(list[ArticleOut])

_SHOWN_OF_USER = (users.c.id, users.c.email, users.c.is_active, users.c.created_at)
_GET_USER = sa.select(*_SHOWN_OF_USER).where(users.c.id == sa.bindparam("user_id"))
_ARTICLES = sa.select(*articles.c, users.c.email.label("owner_email")).join(users)
_PUBLISHED = articles.c.is_published.is_(True)
_DRAFT = articles.c.is_published.is_(False)
_OWN = articles.c.owner_id == sa.bindparam("caller_id")
# CASE rather than OR: SQLite would collect all rows of both sides by their indexes and sort them.
_PUBLISHED_OR_OWN = sa.case((_PUBLISHED, sa.true()), else_=_OWN)
_LIMIT, _SKIP, _AFTER = (
    sa.bindparam(name, type_=sa.Integer) for name in ("limit", "skip", "after")
)
_GET_ARTICLE = _ARTICLES.where(articles.c.id == sa.bindparam("article_id"), _PUBLISHED_OR_OWN)


class Credentials(NamedTuple):
    """What signing in is checked against."""

    user_id: int
    hashed_password: str
    is_active: bool


def list_users(db: sa.Connection, page: Page) -> list[UserOut]:
    """Give one user more than the page holds when there are more, by id ascending."""
    query = sa.select(*_SHOWN_OF_USER).order_by(users.c.id).limit(page.limit + 1)
    query = query.offset(page.skip) if page.after is None else query.where(users.c.id > page.after)
    return _all_shown(_USERS_OUT, db.execute(query))


def count_users(db: sa.Connection) -> int:
    """Count all users."""
    return db.execute(sa.select(sa.func.count(users.c.id))).scalar_one()


def get_user(db: sa.Connection, user_id: int) -> UserOut:
    """Give the user or raise NotFoundError."""
    return _shown(UserOut, db.execute(_GET_USER, {"user_id": user_id}).one_or_none())


def create_user(db: sa.Connection, email: str, hashed_password: str) -> UserOut:
    """Insert the user, or raise EmailTakenError: the unique index decides, also between two."""
    values = {"email": email, "hashed_password": hashed_password}
    try:
        row = db.execute(sa.insert(users).values(values).returning(*_SHOWN_OF_USER)).one()
    except IntegrityError:
        raise EmailTakenError from None
    return _shown(UserOut, row)


def get_credentials(db: sa.Connection, email: str) -> Credentials | None:
    """Give what the user's sign-in is checked against; the letter case does not matter."""
    query = sa.select(users.c.id, users.c.hashed_password, users.c.is_active).where(
        sa.func.lower(users.c.email) == sa.func.lower(email)
    )
    row = db.execute(query).one_or_none()
    return None if row is None else Credentials(*row)


def list_articles(db: sa.Connection, page: ArticlePage, caller: UserOut | None) -> list[ArticleOut]:
    """Give one article more than the page holds when there are more, by id ascending."""
    query = _list_query(page.after is None, *_filters(page, caller))
    rows = db.execute(query, _asked(page, caller) | {"limit": page.limit + 1})
    return _all_shown(_ARTICLES_OUT, rows)


def count_articles(db: sa.Connection, page: ArticlePage, caller: UserOut | None) -> int:
    """Count the articles that the filters let through, whatever the page."""
    query = sa.select(sa.func.count(articles.c.id)).where(*_conditions(*_filters(page, caller)))
    return db.execute(query, _asked(page, caller)).scalar_one()


def get_article(db: sa.Connection, article_id: int, caller: UserOut | None) -> ArticleOut:
    """Give the article, or raise NotFoundError: another's draft is as good as none."""
    asked = {"article_id": article_id, "caller_id": caller.id if caller else None}
    return _shown(ArticleOut, db.execute(_GET_ARTICLE, asked).one_or_none())


def create_article(db: sa.Connection, article: ArticleCreate, owner: UserOut) -> ArticleOut:
    """Insert the article as the owner's."""
    query = (
        sa.insert(articles)
        .values(article.model_dump() | {"owner_id": owner.id})
        .returning(*articles.c, sa.literal(owner.email).label("owner_email"))
    )
    return _shown(ArticleOut, db.execute(query).one())


def update_article(
    db: sa.Connection, article_id: int, changes: ArticleUpdate, caller: UserOut
) -> ArticleOut:
    """Set only the fields that were sent, or raise NotFoundError or ForbiddenError."""
    values = changes.model_dump(exclude_unset=True) or {"owner_id": caller.id}
    query = (
        sa.update(articles)
        .where(articles.c.id == article_id, articles.c.owner_id == caller.id)
        .values(values)
        .returning(*articles.c, sa.literal(caller.email).label("owner_email"))
    )
    row = db.execute(query).one_or_none()
    if row is None:
        raise _denied(db, article_id)
    return _shown(ArticleOut, row)


def delete_article(db: sa.Connection, article_id: int, caller: UserOut) -> None:
    """Delete the article, or raise NotFoundError or ForbiddenError."""
    query = (
        sa.delete(articles)
        .where(articles.c.id == article_id, articles.c.owner_id == caller.id)
        .returning(articles.c.id)
    )
    if db.execute(query).one_or_none() is None:
        raise _denied(db, article_id)


@cache
def _list_query(
    from_start: bool, publication: bool | None, by_owner: bool, signed_in: bool
) -> sa.Select[*tuple[Any, ...]]:
    """Build the query of a list once for each kind of page: that costs more than running it."""
    if signed_in and publication is None and not by_owner:
        return _published_and_own(from_start)
    query = _ARTICLES.where(*_conditions(publication, by_owner, signed_in))
    if from_start:
        return query.order_by(articles.c.id).limit(_LIMIT).offset(_SKIP)
    return query.where(articles.c.id > _AFTER).order_by(articles.c.id).limit(_LIMIT)


def _published_and_own(from_start: bool) -> sa.Select[*tuple[Any, ...]]:
    """Merge two lists, each in the order of an index, however many drafts are other people's."""

    def first(condition: sa.ColumnElement[bool]) -> sa.Select[*tuple[Any, ...]]:
        rows = sa.select(articles).where(condition).order_by(articles.c.id)
        if from_start:
            return sa.select(rows.limit(_SKIP + _LIMIT).subquery())
        return sa.select(rows.where(articles.c.id > _AFTER).limit(_LIMIT).subquery())

    both = sa.union_all(first(_PUBLISHED), first(sa.and_(_DRAFT, _OWN))).subquery()
    owned = both.join(users, users.c.id == both.c.owner_id)
    query = sa.select(*both.c, users.c.email.label("owner_email")).select_from(owned)
    query = query.order_by(both.c.id).limit(_LIMIT)
    return query.offset(_SKIP) if from_start else query


def _filters(page: ArticlePage, caller: UserOut | None) -> tuple[bool | None, bool, bool]:
    return page.is_published, page.owner_id is not None, caller is not None


def _conditions(
    publication: bool | None, by_owner: bool, signed_in: bool
) -> list[sa.ColumnElement[bool]]:
    """Say which articles: each combination by what an index can find."""
    conditions = [articles.c.owner_id == sa.bindparam("owner_id")] if by_owner else []
    if publication is False:
        return [*conditions, _DRAFT, _OWN]
    if publication is True or not signed_in:
        return [*conditions, _PUBLISHED]
    return [*conditions, _PUBLISHED_OR_OWN]


def _asked(page: ArticlePage, caller: UserOut | None) -> dict[str, Any]:
    return page.model_dump() | {"caller_id": caller.id if caller else None}


def _denied(db: sa.Connection, article_id: int) -> Exception:
    """Say why nothing was changed, without telling of another's draft."""
    published = db.scalar(sa.select(articles.c.is_published).where(articles.c.id == article_id))
    return ForbiddenError() if published else NotFoundError()


def _shown(schema: type[Shown], row: sa.Row[*tuple[Any, ...]] | None) -> Shown:
    if row is None:
        raise NotFoundError
    return schema.model_validate(dict(zip(row._fields, row, strict=True)))


def _all_shown(schemas: TypeAdapter[list[Shown]], rows: sa.Result[*tuple[Any, ...]]) -> list[Shown]:
    """Validate all rows in one call, which takes a third of the time of one call each."""
    names = list(rows.keys())
    return schemas.validate_python([dict(zip(names, row, strict=True)) for row in rows.all()])
