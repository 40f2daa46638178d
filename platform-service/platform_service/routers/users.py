"""Users."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from chassis.addresses import ClientNetwork
from chassis.callers import CallerId, SignedInId
from chassis.openapi import problems
from chassis.pages import Page
from chassis.pagination import Row, link_next_page
from chassis.requests import NO_QUERY
from chassis.routes import Route
from chassis.transactions import in_transaction
from platform_service import crud, throttle
from platform_service.database import Db
from platform_service.models import User
from platform_service.passwords import hash_password
from platform_service.schemas import UserCreate, UserId, UserOut

router = APIRouter(prefix="/users", tags=["users"], route_class=Route, responses=problems(401))


@router.post(
    "/",
    status_code=201,
    response_model=UserOut,
    dependencies=[NO_QUERY],
    responses=problems(409),
)
async def create_user(
    user: UserCreate, caller_id: CallerId, network: ClientNetwork, db: Db, response: Response
) -> User:
    """Sign up; Location names the new user."""
    # The hash takes far longer than a transaction should.
    hashed_password = await hash_password(user.password)
    created = await in_transaction(
        db, _create_user, caller_id, user.email, hashed_password, network
    )
    response.headers["Location"] = f"/users/{created.id}"
    return created


def _create_user(
    db: Session, caller_id: int | None, email: str, hashed_password: str, network: str
) -> User:
    crud.find_caller(db, caller_id)
    created = crud.create_user(db, email, hashed_password)
    throttle.note_success(db, email, network)
    return created


@router.get("/", response_model=list[UserOut])
def list_users(
    page: Annotated[Page, Query()],
    caller_id: SignedInId,
    db: Db,
    request: Request,
    response: Response,
) -> list[Row]:
    """List users by ascending id; `Link: …; rel="next"` leads on when there are more."""
    crud.get_caller(db, caller_id)
    if page.count:
        response.headers["X-Total-Count"] = str(crud.count_users(db))
    return link_next_page(request, response, page, crud.list_users(db, page))


@router.get("/me", response_model=UserOut, dependencies=[NO_QUERY])
def get_me(caller_id: SignedInId, db: Db) -> User:
    """Read who is signed in."""
    return crud.get_caller(db, caller_id)


@router.get("/{user_id}", response_model=UserOut, dependencies=[NO_QUERY])
def get_user(user_id: UserId, caller_id: SignedInId, db: Db) -> User:
    """Read one user."""
    crud.get_caller(db, caller_id)
    return crud.get_user(db, user_id)
