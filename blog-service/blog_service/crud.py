"""All database logic. Nothing here commits: the transaction ends where the route ends."""

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from blog_service.models import Post
from blog_service.schemas import PostCreate, PostPage, PostUpdate
from chassis.errors import NotFoundError
from chassis.pagination import Row, fetch_page

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


def list_posts(db: Session, page: PostPage) -> list[Row]:
    """Return the posts of the page by ascending id, and one more if there are more."""
    return fetch_page(db, SHOWN.where(*_filters(page)), posts.c.id, page)


def count_posts(db: Session, page: PostPage) -> int:
    """Return how many posts the filter selects, whatever the page."""
    return db.scalars(select(func.count(posts.c.id)).where(*_filters(page))).one()


def get_post(db: Session, post_id: int) -> Post:
    """Return the post, or raise NotFoundError."""
    post = db.get(Post, post_id)
    if post is None:
        raise NotFoundError
    return post


def create_post(db: Session, post: PostCreate) -> Post:
    """Insert a post. Its id and its time come back with the INSERT."""
    created = Post(**post.model_dump())
    db.add(created)
    db.flush()
    return created


def update_post(db: Session, post_id: int, changes: PostUpdate) -> Post:
    """Set the fields that were sent, or raise NotFoundError."""
    post = get_post(db, post_id)
    for field, value in changes.model_dump(exclude_unset=True).items():
        setattr(post, field, value)
    return post


def delete_post(db: Session, post_id: int) -> None:
    """Delete the post, or raise NotFoundError."""
    db.delete(get_post(db, post_id))


def _filters(page: PostPage) -> list[ColumnElement[bool]]:
    return [] if page.published is None else [posts.c.published == page.published]
