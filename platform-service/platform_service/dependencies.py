"""Who is calling."""

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer

from platform_service import crud
from platform_service.database import Db
from platform_service.errors import NotFoundError, UnauthorizedError
from platform_service.schemas import UserOut

_bearer = OAuth2PasswordBearer(tokenUrl="/auth/token", auto_error=False)

# `openapi_extra` of a route that shows more to whoever is signed in.
SIGN_IN_IS_OPTIONAL: dict[str, Any] = {"security": [{}, {_bearer.scheme_name: []}]}


async def _get_caller(request: Request, db: Db) -> UserOut | None:
    """Give who sent the token, None without one; a token that is sent must be valid."""
    if len(request.headers.getlist("authorization")) > 1:
        raise UnauthorizedError("There may be one Authorization field.")
    token = await _bearer(request)
    if token is None:
        return None
    user_id = request.app.state.keys.verify(token)
    try:
        caller = await db.read(crud.get_user, user_id)
    except NotFoundError:
        raise UnauthorizedError("The token's user does not exist.") from None
    if not caller.is_active:
        raise UnauthorizedError("The token's user is not active.")
    return caller


CallerDependency = Depends(_get_caller)
Caller = Annotated[UserOut | None, CallerDependency]


async def _get_signed_in_user(
    caller: Caller,
    _token: Annotated[str | None, Depends(_bearer)],  # so that OpenAPI says what is needed
) -> UserOut:
    if caller is None:
        raise UnauthorizedError("This needs a token; POST /auth/token gives one.")
    return caller


SignedInUser = Annotated[UserOut, Depends(_get_signed_in_user)]
