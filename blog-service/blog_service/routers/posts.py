"""Posts."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from blog_service import crud
from blog_service.database import Db
from blog_service.pagination import link_next_page
from blog_service.requests import NO_QUERY, StrictRoute
from blog_service.schemas import PostCreate, PostId, PostOut, PostPage, PostUpdate

router = APIRouter(prefix="/posts", tags=["posts"], route_class=StrictRoute)


@router.get("/")
async def list_posts(
    page: Annotated[PostPage, Query()], db: Db, request: Request, response: Response
) -> list[PostOut]:
    """List posts by id ascending; `Link: …; rel="next"` leads on when there are more."""
    if page.count:
        response.headers["X-Total-Count"] = str(await db.read(crud.count_posts, page))
    return link_next_page(request, response, page, await db.read(crud.list_posts, page))


@router.get("/{post_id}", dependencies=[NO_QUERY])
async def get_post(post_id: PostId, db: Db) -> PostOut:
    """Read one post."""
    return await db.read(crud.get_post, post_id)


@router.post("/", status_code=201, dependencies=[NO_QUERY])
async def create_post(post: PostCreate, db: Db, response: Response) -> PostOut:
    """Create a post; Location names it."""
    created = await db.write(crud.create_post, post)
    response.headers["Location"] = f"/posts/{created.id}"
    return created


@router.patch("/{post_id}", dependencies=[NO_QUERY])
async def update_post(post_id: PostId, changes: PostUpdate, db: Db) -> PostOut:
    """Change only the fields that are sent."""
    return await db.write(crud.update_post, post_id, changes)


@router.delete("/{post_id}", status_code=204, response_class=Response, dependencies=[NO_QUERY])
async def delete_post(post_id: PostId, db: Db) -> None:
    """Delete one post."""
    await db.write(crud.delete_post, post_id)
