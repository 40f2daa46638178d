"""All database logic. Nothing here commits: the transaction ends where the route ends."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blog_service.models import POST_SEARCH, Post
from blog_service.schemas import PostCreate, PostPage, PostUpdate
from chassis.errors import ForbiddenError, NotFoundError
from chassis.pagination import Row, Selection, count_rows, fetch_page
from chassis.preconditions import Check
from chassis.visibility import Visibility

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
VISIBLE = Visibility(
    POST_SEARCH,
    posts.c.published,
    posts.c.published_at,
    posts.c.author_id,
    shares_drafts_of_nobody=True,
)


def list_posts(db: Session, page: PostPage, caller_id: int | None) -> list[Row]:
    """Return the posts of the page, and one more if there are more."""
    return fetch_page(db, SHOWN, page, _selection(db, page, caller_id))


def count_posts(db: Session, page: PostPage, caller_id: int | None) -> int:
    """Return how many posts the filters select, whatever the page."""
    return count_rows(db, SHOWN, _selection(db, page, caller_id))


def get_post(db: Session, post_id: int, caller_id: int | None) -> Post:
    """Return the post, or raise NotFoundError. Another user's draft counts as missing."""
    post = db.get(Post, post_id)
    if post is None or not (post.published or _may_change(post, caller_id)):
        raise NotFoundError
    return post


def create_post(db: Session, post: PostCreate, author_id: int | None) -> Post:
    """Insert a post. The INSERT returns its id and its times."""
    created = Post(**post.model_dump(), author_id=author_id)
    db.add(created)
    db.flush()
    return created


def update_post(
    db: Session, post_id: int, changes: PostUpdate, caller_id: int | None, check: Check
) -> Post:
    """Set the fields that were sent, or raise NotFoundError, ForbiddenError or ChangedError."""
    post = _get_to_change(db, post_id, caller_id, check)
    for field, value in changes.model_dump().items():
        setattr(post, field, value)
    db.flush()
    return post


def delete_post(db: Session, post_id: int, caller_id: int | None, check: Check) -> None:
    """Delete the post, or raise NotFoundError, ForbiddenError or ChangedError."""
    db.delete(_get_to_change(db, post_id, caller_id, check))


def _get_to_change(db: Session, post_id: int, caller_id: int | None, check: Check) -> Post:
    """Return the post for a change.

    The transaction holds SQLite's write lock, so that no other changes it meanwhile.
    """
    post = get_post(db, post_id, caller_id)
    if not _may_change(post, caller_id):
        raise ForbiddenError("Only its author may do this.")
    check(post.version)
    return post


def _may_change(post: Post, caller_id: int | None) -> bool:
    """Return whether the post is the caller's or nobody's, which makes it everybody's."""
    return post.author_id is None or post.author_id == caller_id


def _selection(db: Session, page: PostPage, caller_id: int | None) -> Selection:
    """Return what a list selects."""
    return VISIBLE.selection(
        db, page, published=page.published, owner_id=page.author_id, caller_id=caller_id
    )
