"""Who is calling, and the costly work around passwords."""

from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Form, Request
from fastapi.security import OAuth2PasswordBearer

from platform_service import crud
from platform_service.database import Db
from platform_service.errors import NotFoundError, UnauthorizedError
from platform_service.passwords import hash_password, verify_password
from platform_service.schemas import TokenRequest, UserCreate, UserOut

# A hash takes a core for 45 ms and 19 MiB: so many new ones and so many checks run at once.
HASHES = 2

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


def _hash_new_password(user: UserCreate) -> crud.NewUser:
    return crud.NewUser(user.email, hash_password(user.password))


NewUser = Annotated[crud.NewUser, Depends(_hash_new_password, max_concurrency=HASHES)]


class _SignIn(NamedTuple):
    password: str
    credentials: crud.Credentials | None


async def _look_up(form: Annotated[TokenRequest, Form()], db: Db) -> _SignIn:
    return _SignIn(form.password, await db.read(crud.get_credentials, form.username))


def _authenticate(sign_in: Annotated[_SignIn, Depends(_look_up)]) -> int:
    """Give the user's id; a wrong e-mail, a wrong password and an inactive user look alike."""
    found = sign_in.credentials
    matches = verify_password(sign_in.password, found.hashed_password if found else None)
    if found is None or not matches or not found.is_active:
        raise UnauthorizedError("The e-mail or the password is wrong.")
    return found.user_id


AuthenticatedUserId = Annotated[int, Depends(_authenticate, max_concurrency=HASHES)]
