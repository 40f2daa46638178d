"""Posts."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from blog_service import crud
from blog_service.database import Db
from blog_service.models import Post
from blog_service.schemas import PostCreate, PostId, PostOut, PostPage, PostUpdate
from chassis.pagination import Row, link_next_page
from chassis.requests import NO_QUERY
from chassis.routes import Route

router = APIRouter(prefix="/posts", tags=["posts"], route_class=Route)


@router.get("/", response_model=list[PostOut])
def list_posts(
    page: Annotated[PostPage, Query()], db: Db, request: Request, response: Response
) -> list[Row]:
    """List posts by ascending id; `Link: …; rel="next"` leads on when there are more."""
    if page.count:
        response.headers["X-Total-Count"] = str(crud.count_posts(db, page))
    return link_next_page(request, response, page, crud.list_posts(db, page))


@router.get("/{post_id}", response_model=PostOut, dependencies=[NO_QUERY])
def get_post(post_id: PostId, db: Db) -> Post:
    """Read one post."""
    return crud.get_post(db, post_id)


@router.post("/", status_code=201, response_model=PostOut, dependencies=[NO_QUERY])
def create_post(post: PostCreate, db: Db, response: Response) -> Post:
    """Create a post; Location names it."""
    created = crud.create_post(db, post)
    response.headers["Location"] = f"/posts/{created.id}"
    return created


@router.patch("/{post_id}", response_model=PostOut, dependencies=[NO_QUERY])
def update_post(post_id: PostId, changes: PostUpdate, db: Db) -> Post:
    """Change only the fields that are sent."""
    return crud.update_post(db, post_id, changes)


@router.delete("/{post_id}", status_code=204, response_class=Response, dependencies=[NO_QUERY])
def delete_post(post_id: PostId, db: Db) -> None:
    """Delete one post."""
    crud.delete_post(db, post_id)
