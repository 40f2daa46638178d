"""The caller of a request: the id that its token names, for the parameters of routes.

`app.state.token_verifier` verifies the token. Where it is None, the service knows no callers, and
is open.
"""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.security import OAuth2PasswordBearer
from fastapi.security.utils import get_authorization_scheme_param
from sqlalchemy.orm import Session

from chassis.errors import UnauthorizedError
from chassis.problems import invalid_request
from chassis.routes import before_body
from chassis.tokens import TokenVerifier
from chassis.transactions import in_transaction

LookUp = Callable[[Session, int], object]

TOKEN_URL = "/auth/token"
SCHEME = "OAuth2PasswordBearer"  # its name in the OpenAPI document
NEEDS_TOKEN = "This needs a token; POST /auth/token gives one."

# `openapi_extra` of a route that shows more to a caller who is signed in.
SIGN_IN_IS_OPTIONAL: dict[str, Any] = {"security": [{}, {SCHEME: []}]}


@before_body
async def _get_caller_id(request: Request) -> int | None:
    """Return the id of the caller, or None without a token. A token must be valid."""
    verifier: TokenVerifier | None = request.app.state.token_verifier
    sent = [value for name, value in request.scope["headers"] if name == b"authorization"]
    if verifier is None or not sent:
        return None
    if len(sent) > 1:
        raise UnauthorizedError("There may be one Authorization field.")
    scheme, token = get_authorization_scheme_param(sent[0].decode("latin-1"))
    if scheme.lower() != "bearer" or not token:
        raise UnauthorizedError(NEEDS_TOKEN)
    return await verifier.caller_id(token)


class _SignIn(OAuth2PasswordBearer):
    """A dependency that insists on a caller, and says so in the OpenAPI document."""

    def __init__(self, *, unless_open: bool) -> None:
        super().__init__(tokenUrl=TOKEN_URL, refreshUrl=TOKEN_URL, scheme_name=SCHEME)
        self._unless_open = unless_open

    async def __call__(self, request: Request) -> int | None:  # type: ignore[override] # no token
        """Return the id of the caller, or None in a service that knows none and is open."""
        caller_id = await _get_caller_id(request)
        is_open = self._unless_open and request.app.state.token_verifier is None
        if caller_id is None and not is_open:
            raise UnauthorizedError(NEEDS_TOKEN)
        return caller_id


CallerId = Annotated[int | None, Depends(_get_caller_id)]
SignedInId = Annotated[int, Depends(before_body(_SignIn(unless_open=False)))]
WriterId = Annotated[int | None, Depends(before_body(_SignIn(unless_open=True)))]


def known_caller_id(request: Request) -> int | None:
    """Return the id of the caller, if a parameter of the route has asked for it."""
    found: int | None = request.scope.get("before_body", {}).get(_get_caller_id)
    return found


async def refuse_caller_first(request: Request, error: Exception) -> Response:
    """Answer an invalid request, but look the caller up first: 401 comes before 400, 415, 422."""
    caller_id = await _get_caller_id(request)
    if caller_id is not None:
        session = request.app.state.database.read_session()
        await in_transaction(session, request.app.state.look_up_caller, caller_id)
    return await invalid_request(request, error)
