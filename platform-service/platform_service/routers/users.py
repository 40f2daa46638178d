"""Users."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from platform_service import crud
from platform_service.database import Db
from platform_service.dependencies import CallerDependency, SignedInUser
from platform_service.pagination import link_next_page
from platform_service.passwords import hash_password
from platform_service.requests import NO_QUERY, StrictRoute
from platform_service.schemas import Page, UserCreate, UserId, UserOut

router = APIRouter(
    prefix="/users", tags=["users"], route_class=StrictRoute, dependencies=[CallerDependency]
)


@router.post("/", status_code=201, dependencies=[NO_QUERY])
async def create_user(user: UserCreate, db: Db, response: Response) -> UserOut:
    """Sign up; Location names the new user."""
    hashed_password = await hash_password(user.password)
    created = await db.write(crud.create_user, user.email, hashed_password)
    response.headers["Location"] = f"/users/{created.id}"
    return created


@router.get("/")
async def list_users(
    page: Annotated[Page, Query()],
    _user: SignedInUser,
    db: Db,
    request: Request,
    response: Response,
) -> list[UserOut]:
    """List users by id ascending; `Link: …; rel="next"` leads on when there are more."""
    if page.count:
        response.headers["X-Total-Count"] = str(await db.read(crud.count_users))
    return link_next_page(request, response, page, await db.read(crud.list_users, page))


@router.get("/me", dependencies=[NO_QUERY])
async def get_me(user: SignedInUser) -> UserOut:
    """Read who is signed in."""
    return user


@router.get("/{user_id}", dependencies=[NO_QUERY])
async def get_user(user_id: UserId, _user: SignedInUser, db: Db) -> UserOut:
    """Read one user."""
    return await db.read(crud.get_user, user_id)
