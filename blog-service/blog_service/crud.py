"""All database logic. Nothing here commits: the transaction ends where the route ends."""

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from blog_service.models import Post
from blog_service.schemas import PostCreate, PostPage, PostUpdate
from chassis.errors import ForbiddenError, NotFoundError
from chassis.pagination import Row, fetch_page
from chassis.preconditions import Check

# A list is only shown, and a row of the table costs a fraction of an entity.
posts = Post.__table__
SHOWN = select(
    posts.c.id,
    posts.c.title,
    posts.c.body,
    posts.c.published,
    posts.c.author_id,
    posts.c.created_at,
    func.coalesce(posts.c.changed_at, posts.c.created_at).label("updated_at"),
    posts.c.published_at,
)


def list_posts(db: Session, page: PostPage, caller_id: int | None) -> list[Row]:
    """Return the posts of the page by ascending id, and one more if there are more."""
    return fetch_page(db, SHOWN.where(*_filters(page, caller_id)), posts.c.id, page)


def count_posts(db: Session, page: PostPage, caller_id: int | None) -> int:
    """Return how many posts the filter selects, whatever the page."""
    query = select(func.count(posts.c.id)).where(*_filters(page, caller_id))
    return db.scalars(query).one()


def get_post(db: Session, post_id: int, caller_id: int | None) -> Post:
    """Return the post, or raise NotFoundError. Another's draft is as good as none."""
    post = db.get(Post, post_id)
    if post is None or not (post.published or _may_change(post, caller_id)):
        raise NotFoundError
    return post


def create_post(db: Session, post: PostCreate, author_id: int | None) -> Post:
    """Insert a post. Its id and its time come back with the INSERT."""
    created = Post(**post.model_dump(), author_id=author_id)
    db.add(created)
    db.flush()
    return created


def update_post(
    db: Session, post_id: int, changes: PostUpdate, caller_id: int | None, check: Check
) -> Post:
    """Set the fields that were sent, or raise NotFoundError, ForbiddenError or ChangedError."""
    post = _get_to_change(db, post_id, caller_id, check)
    for field, value in changes.model_dump(exclude_unset=True).items():
        setattr(post, field, value)
    db.flush()
    return post


def delete_post(db: Session, post_id: int, caller_id: int | None, check: Check) -> None:
    """Delete the post, or raise NotFoundError, ForbiddenError or ChangedError."""
    db.delete(_get_to_change(db, post_id, caller_id, check))


def _get_to_change(db: Session, post_id: int, caller_id: int | None, check: Check) -> Post:
    """Return the post. The transaction began as a writer's, so that no other one changes it."""
    post = get_post(db, post_id, caller_id)
    if not _may_change(post, caller_id):
        raise ForbiddenError("Only its author may do this.")
    check(post.version)
    return post


def _may_change(post: Post, caller_id: int | None) -> bool:
    """Return whether the post is the caller's or nobody's, which makes it everybody's."""
    return post.author_id is None or post.author_id == caller_id


def _filters(page: PostPage, caller_id: int | None) -> list[ColumnElement[bool]]:
    """Return the conditions of a list: published posts, and drafts that the caller may change."""
    author_id = posts.c.author_id
    own = (
        author_id.is_(None)
        if caller_id is None
        else or_(author_id.is_(None), author_id == caller_id)
    )
    if page.published is None:
        return [or_(posts.c.published, own)]
    return [posts.c.published] if page.published else [posts.c.published.is_(False), own]
