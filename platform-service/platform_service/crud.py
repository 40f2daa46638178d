"""All database logic. Nothing here commits: the transaction ends where the route ends."""

from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate

from sqlalchemy import bindparam, delete, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from chassis import first_answers
from chassis.errors import ForbiddenError, NotFoundError, UnauthorizedError
from chassis.pages import Page
from chassis.pagination import Row, Selection, count_rows, fetch_page
from chassis.preconditions import Check
from chassis.visibility import Visibility
from platform_service.emails import email_key
from platform_service.errors import EmailTakenError, WrongCurrentPasswordError
from platform_service.models import ARTICLE_SEARCH, Article, User
from platform_service.schemas import ArticleCreate, ArticlePage, ArticleUpdate
from platform_service.sessions import end_sessions

BATCH = 250  # rows that one statement reads or deletes, so that no request waits for long
BATCH_CHARACTERS = 2_000_000  # of articles: SQLite takes a text out of its index word by word
KEY_SHARE = {"read": True, "key_share": True}  # FOR KEY SHARE, as a foreign key takes it

# A list is only shown, and a row of a table costs a fraction of an entity.
users = User.__table__
articles = Article.__table__

# An article with what is shown of its owner. Built once: to build a query with a join costs as much
# as to run it.
ARTICLE = (
    select(Article)
    .options(joinedload(Article.owner, innerjoin=True).load_only(User.email, raiseload=True))
    .where(Article.id == bindparam("article_id"))
)
SHOWN = select(
    articles.c.id,
    articles.c.title,
    articles.c.content,
    articles.c.is_published,
    articles.c.owner_id,
    users.c.email.label("owner_email"),
    articles.c.created_at,
    func.coalesce(articles.c.changed_at, articles.c.created_at).label("updated_at"),
    articles.c.published_at,
).outerjoin(users, users.c.id == articles.c.owner_id)  # not join(): SQLite may begin with users
SHOWN_OF_USERS = select(users.c.id, users.c.email, users.c.is_active, users.c.created_at)
VISIBLE = Visibility(
    ARTICLE_SEARCH, articles.c.is_published, articles.c.published_at, articles.c.owner_id
)


def get_caller(db: Session, user_id: int, *, lock: bool | dict[str, bool] = False) -> User:
    """Return the user of a token, or raise UnauthorizedError if there is no active one.

    With `lock=KEY_SHARE` the user is not deleted before the transaction ends.
    """
    user = db.get(User, user_id, with_for_update=lock)
    if user is None:
        raise UnauthorizedError("The token's user does not exist.")
    if not user.is_active:
        raise UnauthorizedError("The token's user is not active.")
    return user


def find_caller(db: Session, user_id: int | None) -> User | None:
    """Return the user of a token, if one was sent. Raise an error of `get_caller`."""
    return None if user_id is None else get_caller(db, user_id)


def list_users(db: Session, page: Page) -> list[Row]:
    """Return the users of the page, and one more if there are more."""
    return fetch_page(db, SHOWN_OF_USERS, page)


def iterate_users(db: Session) -> Iterator[tuple[int, str, bool, datetime]]:
    """Yield the id, e-mail, is_active and created_at of all users, with a batch in memory."""
    query = select(User.id, User.email, User.is_active, User.created_at).order_by(User.id)
    query, last = query.where(User.id > bindparam("last")).limit(BATCH), 0
    while batch := db.execute(query, {"last": last}).tuples().all():
        yield from batch
        last = batch[-1][0]


def count_users(db: Session) -> int:
    """Return how many users there are."""
    return count_rows(db, SHOWN_OF_USERS)


def get_user(db: Session, user_id: int) -> User:
    """Return the user, or raise NotFoundError."""
    user = db.get(User, user_id)
    if user is None:
        raise NotFoundError
    return user


def find_user(db: Session, email: str) -> User | None:
    """Return the user with this e-mail, in whatever letter case, or None.

    A row without a key is found by the database's lower(). Where lower() and the key find different
    rows, the row that lower() finds is returned, since lower() makes fewer addresses equal.
    """
    is_close = func.lower(User.email) == func.lower(email)
    found = select(User).where(or_(is_close, User.email_key == email_key(email)))
    return db.scalars(found.order_by(is_close.desc()).limit(1)).one_or_none()


def set_active(db: Session, email: str, *, is_active: bool) -> User:
    """Set whether the user with this e-mail may sign in. Raise NotFoundError if nobody has it."""
    found = find_user(db, email)
    user = found and db.get(User, found.id, with_for_update=True)
    if user is None:
        raise NotFoundError
    user.is_active = is_active
    if not is_active:
        end_sessions(db, user.id)
    return user


def create_user(db: Session, email: str, hashed_password: str) -> User:
    """Insert a user, or raise EmailTakenError. The unique indexes decide between two at once."""
    user = User(email=email, hashed_password=hashed_password)
    db.add(user)
    _flush_email(db)
    return user


def _flush_email(db: Session) -> None:
    try:
        db.flush()
    except IntegrityError:
        raise EmailTakenError from None


def update_user(db: Session, caller: User, email: str | None, new_hash: str | None) -> User:
    """Set the e-mail, the hash or both, and return the user. A new hash ends every session.

    Raise an error of `_lock_caller`, or EmailTakenError.
    """
    user = _lock_caller(db, caller)
    if new_hash is not None:
        end_sessions(db, user.id)
        user.hashed_password = new_hash
    if email is not None:
        user.email = email
    _flush_email(db)
    return user


def delete_user(db: Session, caller: User) -> bool:
    """Delete a batch of a user's articles, and the user once none is left.

    Return whether the user is gone, or raise an error of `_lock_caller`.
    """
    user = _lock_caller(db, caller)
    found = db.execute(
        select(Article.id, func.length(Article.content).label("length"))
        .where(Article.owner_id == user.id)
        .order_by(Article.id)
        .limit(BATCH)
    ).all()
    sizes = accumulate((row.length for row in found), initial=0)
    batch = [row.id for row, before in zip(found, sizes, strict=False) if before < BATCH_CHARACTERS]
    query = delete(Article).where(Article.id.in_(batch))
    db.execute(query, execution_options={"synchronize_session": False})
    if len(found) == BATCH or len(batch) < len(found):
        return False
    end_sessions(db, user.id)
    first_answers.forget(db, caller_id=user.id, location=f"/users/{user.id}")
    db.delete(user)
    return True


def _lock_caller(db: Session, caller: User) -> User:
    """Return the caller, locked until the transaction ends.

    Raise an error of `get_caller`, or WrongCurrentPasswordError if the password was changed after
    it was verified. Of two changes at once, the first one counts.
    """
    user = get_caller(db, caller.id, lock=True)
    if user.hashed_password != caller.hashed_password:
        raise WrongCurrentPasswordError
    return user


def list_articles(db: Session, page: ArticlePage, caller: User | None) -> list[Row]:
    """Return the articles of the page, and one more if there are more."""
    return fetch_page(db, SHOWN, page, _selection(db, page, caller))


def count_articles(db: Session, page: ArticlePage, caller: User | None) -> int:
    """Return how many articles the filters select, whatever the page."""
    return count_rows(db, SHOWN, _selection(db, page, caller))


def get_article(db: Session, article_id: int, caller: User | None) -> Article:
    """Return the article, or raise NotFoundError. Another user's draft counts as missing."""
    article = db.scalars(ARTICLE, {"article_id": article_id}).one_or_none()
    if article is None or not (article.is_published or article.owner is caller):
        raise NotFoundError
    return article


def create_article(db: Session, article: ArticleCreate, owner: User) -> Article:
    """Insert an article. The INSERT returns its id and its times."""
    created = Article(**article.model_dump(), owner=owner)
    db.add(created)
    db.flush()
    return created


def update_article(
    db: Session,
    article_id: int,
    changes: ArticleUpdate,
    caller: User,
    check: Check,
) -> Article:
    """Set the fields that were sent, or raise NotFoundError, ForbiddenError or ChangedError."""
    article = _get_own_article(db, article_id, caller, check)
    for field, value in changes.model_dump().items():
        setattr(article, field, value)
    db.flush()
    return article


def delete_article(db: Session, article_id: int, caller: User, check: Check) -> None:
    """Delete the article, or raise NotFoundError, ForbiddenError or ChangedError."""
    db.delete(_get_own_article(db, article_id, caller, check))


def _get_own_article(db: Session, article_id: int, caller: User, check: Check) -> Article:
    """Return the article, locked until the transaction ends. Another's is not locked."""
    query = ARTICLE.where(Article.owner_id == caller.id).with_for_update(of=Article)
    article = db.scalars(query, {"article_id": article_id}).one_or_none()
    if article is None:
        get_article(db, article_id, caller)  # raises NotFoundError if there is none to be seen
        raise ForbiddenError("Only its owner may do this.")
    check(article.version, article.owner_email)
    return article


def _selection(db: Session, page: ArticlePage, caller: User | None) -> Selection:
    """Return what a list selects."""
    caller_id = caller.id if caller else None
    return VISIBLE.selection(
        db, page, published=page.is_published, owner_id=page.owner_id, caller_id=caller_id
    )
