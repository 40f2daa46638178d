"""Posts."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from blog_service import crud
from blog_service.database import Db
from blog_service.models import Post
from blog_service.schemas import PostCreate, PostId, PostOut, PostPage, PostUpdate
from chassis.callers import SIGN_IN_IS_OPTIONAL, CallerId, WriterId
from chassis.idempotency import idempotent
from chassis.openapi import problem_responses
from chassis.pagination import Row, link_next_page
from chassis.preconditions import ConditionalRequest, entity_tag
from chassis.routes import Route

router = APIRouter(prefix="/posts", tags=["posts"], route_class=Route)


@router.get("/", response_model=list[PostOut], openapi_extra=SIGN_IN_IS_OPTIONAL)
def list_posts(
    page: Annotated[PostPage, Query()],
    caller_id: CallerId,
    db: Db,
    request: Request,
    response: Response,
) -> list[Row]:
    """List published posts, those without an author, and the caller's own drafts."""
    if page.count:
        response.headers["X-Total-Count"] = str(crud.count_posts(db, page, caller_id))
    return link_next_page(request, response, page, crud.list_posts(db, page, caller_id))


@router.get("/{post_id}", response_model=PostOut, openapi_extra=SIGN_IN_IS_OPTIONAL)
def get_post(post_id: PostId, caller_id: CallerId, db: Db, request: ConditionalRequest) -> Post:
    """Read one post; ETag names its version."""
    return request.show(crud.get_post(db, post_id, caller_id))


@router.post("/", status_code=201, response_model=PostOut)
@idempotent
def create_post(post: PostCreate, caller_id: WriterId, db: Db, response: Response) -> Post:
    """Create a post; Location names it. The caller is its author."""
    created = crud.create_post(db, post, author_id=caller_id)
    response.headers["Location"] = f"/posts/{created.id}"
    response.headers["ETag"] = entity_tag(created.version)
    return created


@router.patch("/{post_id}", response_model=PostOut, responses=problem_responses(403))
def update_post(
    post_id: PostId,
    changes: PostUpdate,
    caller_id: WriterId,
    db: Db,
    request: ConditionalRequest,
) -> Post:
    """Change the fields that are sent. Anyone signed in may change a post without an author."""
    return request.show(crud.update_post(db, post_id, changes, caller_id, request.check))


@router.delete(
    "/{post_id}", status_code=204, response_class=Response, responses=problem_responses(403)
)
def delete_post(post_id: PostId, caller_id: WriterId, db: Db, request: ConditionalRequest) -> None:
    """Delete one post. Anyone signed in may delete one without an author."""
    crud.delete_post(db, post_id, caller_id, request.check)
