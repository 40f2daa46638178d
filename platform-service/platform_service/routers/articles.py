"""Articles."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from platform_service import crud
from platform_service.database import Db
from platform_service.dependencies import SIGN_IN_IS_OPTIONAL, Caller, SignedInUser
from platform_service.pagination import link_next_page
from platform_service.requests import NO_QUERY, StrictRoute
from platform_service.schemas import (
    ArticleCreate,
    ArticleId,
    ArticleOut,
    ArticlePage,
    ArticleUpdate,
)

router = APIRouter(prefix="/articles", tags=["articles"], route_class=StrictRoute)


@router.get("/", openapi_extra=SIGN_IN_IS_OPTIONAL)
async def list_articles(
    page: Annotated[ArticlePage, Query()],
    caller: Caller,
    db: Db,
    request: Request,
    response: Response,
) -> list[ArticleOut]:
    """List published articles, and the caller's own drafts, by id ascending."""
    if page.count:
        response.headers["X-Total-Count"] = str(await db.read(crud.count_articles, page, caller))
    return link_next_page(request, response, page, await db.read(crud.list_articles, page, caller))


@router.get("/{article_id}", dependencies=[NO_QUERY], openapi_extra=SIGN_IN_IS_OPTIONAL)
async def get_article(article_id: ArticleId, caller: Caller, db: Db) -> ArticleOut:
    """Read one article."""
    return await db.read(crud.get_article, article_id, caller)


@router.post("/", status_code=201, dependencies=[NO_QUERY])
async def create_article(
    article: ArticleCreate, user: SignedInUser, db: Db, response: Response
) -> ArticleOut:
    """Create an article of the caller's; Location names it."""
    created = await db.write(crud.create_article, article, user)
    response.headers["Location"] = f"/articles/{created.id}"
    return created


@router.patch("/{article_id}", dependencies=[NO_QUERY])
async def update_article(
    article_id: ArticleId, changes: ArticleUpdate, user: SignedInUser, db: Db
) -> ArticleOut:
    """Change only the fields that are sent, `{"is_published": true}` to publish."""
    return await db.write(crud.update_article, article_id, changes, user)


@router.delete("/{article_id}", status_code=204, response_class=Response, dependencies=[NO_QUERY])
async def delete_article(article_id: ArticleId, user: SignedInUser, db: Db) -> None:
    """Delete one article of the caller's."""
    await db.write(crud.delete_article, article_id, user)
