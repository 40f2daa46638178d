"""The caller. A token is verified here; `crud.get_caller` finds its user."""

from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.security import OAuth2PasswordBearer

from chassis.errors import NEEDS_TOKEN, UnauthorizedError
from chassis.problems import invalid_request
from chassis.routes import before_body
from chassis.transactions import in_transaction
from platform_service import crud

_bearer = OAuth2PasswordBearer(tokenUrl="/auth/token", auto_error=False)

# `openapi_extra` of a route that shows more to a caller who is signed in.
SIGN_IN_IS_OPTIONAL: dict[str, Any] = {"security": [{}, {_bearer.scheme_name: []}]}


@before_body
async def _get_caller_id(request: Request) -> int | None:
    """Return the id of the token's user, or None without a token. A token must be valid."""
    if len(request.headers.getlist("authorization")) > 1:
        raise UnauthorizedError("There may be one Authorization field.")
    token = await _bearer(request)
    if token is None:
        return None
    user_id: int = request.app.state.keys.verify(token)
    return user_id


CallerId = Annotated[int | None, Depends(_get_caller_id)]


async def refuse_caller_first(request: Request, error: Exception) -> Response:
    """Look up the caller although the request is invalid: 401 comes before 400, 415 and 422.

    Raises:
        UnauthorizedError: the token's user does not exist or is not active.
    """
    caller_id = await _get_caller_id(request)
    if caller_id is not None:
        await in_transaction(request.app.state.database.readers(), crud.get_caller, caller_id)
    return await invalid_request(request, error)


@before_body
async def _require_caller_id(request: Request) -> int:
    """Return the id of the token's user. There must be a token."""
    caller_id = await _get_caller_id(request)
    if caller_id is None:
        raise UnauthorizedError(NEEDS_TOKEN)
    return caller_id


async def _get_signed_in_id(
    caller_id: Annotated[int, Depends(_require_caller_id)],
    _token: Annotated[str | None, Depends(_bearer)],  # so that OpenAPI says what is needed
) -> int:
    return caller_id


SignedInId = Annotated[int, Depends(_get_signed_in_id)]
