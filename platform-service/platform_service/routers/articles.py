"""Articles."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from chassis.callers import SIGN_IN_IS_OPTIONAL, CallerId, SignedInId
from chassis.idempotency import idempotent
from chassis.openapi import problem_responses
from chassis.pagination import Row, link_next_page
from chassis.preconditions import ConditionalRequest, entity_tag
from chassis.routes import Route
from platform_service import crud
from platform_service.database import Db
from platform_service.models import Article
from platform_service.privacy import hide_email, hide_emails
from platform_service.schemas import (
    ArticleCreate,
    ArticleId,
    ArticleOut,
    ArticlePage,
    ArticleUpdate,
)

router = APIRouter(
    prefix="/articles", tags=["articles"], route_class=Route, responses=problem_responses(401)
)


@router.get("/", response_model=list[ArticleOut], openapi_extra=SIGN_IN_IS_OPTIONAL)
def list_articles(
    page: Annotated[ArticlePage, Query()],
    caller_id: CallerId,
    db: Db,
    request: Request,
    response: Response,
) -> list[Row]:
    """List published articles, and the caller's own drafts."""
    caller = crud.find_caller(db, caller_id)
    if page.count:
        response.headers["X-Total-Count"] = str(crud.count_articles(db, page, caller))
    found = crud.list_articles(db, page, caller)
    hide_emails(request, caller_id, found, owner="owner_id", email="owner_email")
    return link_next_page(request, response, page, found)


@router.get("/{article_id}", response_model=ArticleOut, openapi_extra=SIGN_IN_IS_OPTIONAL)
def get_article(
    article_id: ArticleId,
    caller_id: CallerId,
    db: Db,
    request: ConditionalRequest,
) -> Article:
    """Read one article; ETag names its version, and the e-mail of its owner where it is shown.

    A new e-mail changes the ETag of each article of the user: If-Match with the old one gives 412.
    """
    article = crud.get_article(db, article_id, crud.find_caller(db, caller_id))
    hide_email(request, caller_id, article.owner)
    return request.show(article, article.owner_email)


@router.post("/", status_code=201, response_model=ArticleOut)
@idempotent
def create_article(
    article: ArticleCreate, caller_id: SignedInId, db: Db, response: Response
) -> Article:
    """Create an article; Location names it. The caller is its owner."""
    owner = crud.get_caller(db, caller_id, lock=crud.KEY_SHARE)
    created = crud.create_article(db, article, owner)
    response.headers["Location"] = f"/articles/{created.id}"
    response.headers["ETag"] = entity_tag(created.version, created.owner_email)
    return created


@router.patch("/{article_id}", response_model=ArticleOut, responses=problem_responses(403))
def update_article(
    article_id: ArticleId,
    changes: ArticleUpdate,
    caller_id: SignedInId,
    db: Db,
    request: ConditionalRequest,
) -> Article:
    """Change the fields that are sent; `{"is_published": true}` publishes the article."""
    caller = crud.get_caller(db, caller_id)
    article = crud.update_article(db, article_id, changes, caller, request.check)
    return request.show(article, article.owner_email)


@router.delete(
    "/{article_id}", status_code=204, response_class=Response, responses=problem_responses(403)
)
def delete_article(
    article_id: ArticleId, caller_id: SignedInId, db: Db, request: ConditionalRequest
) -> None:
    """Delete one of the caller's articles."""
    crud.delete_article(db, article_id, crud.get_caller(db, caller_id), request.check)
