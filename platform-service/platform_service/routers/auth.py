"""Signing in, and the keys that others verify tokens with."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from chassis.callers import CallerId
from chassis.errors import DomainError, UnauthorizedError
from chassis.openapi import problems
from chassis.requests import NO_QUERY
from chassis.routes import Route
from chassis.transactions import in_transaction
from platform_service import crud
from platform_service.database import Db, ReadOnlyDb
from platform_service.errors import WrongPasswordError
from platform_service.keys import TOKEN_SECONDS
from platform_service.models import User
from platform_service.passwords import verify_password
from platform_service.schemas import PublicKeys, TokenOut, TokenRequest


class OAuthRoute(Route):
    """A route whose problems say what clients of OAuth2 read (RFC 6749, section 5.2)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which marks the errors."""
        handler = super().get_route_handler()

        async def marking_handler(request: Request) -> Response:
            try:
                return await handler(request)
            except (DomainError, HTTPException, RequestValidationError) as error:
                if code := _oauth_error(error):
                    request.state.problem = {"error": code}
                raise

        return marking_handler


def _oauth_error(error: Exception) -> str | None:
    """Return the code of an error. There is none for a failure of the service."""
    if isinstance(error, HTTPException) and error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    if isinstance(error, WrongPasswordError):
        return "invalid_grant"
    if isinstance(error, UnauthorizedError):
        return "invalid_client"
    invalid = error.errors() if isinstance(error, RequestValidationError) else []
    if any(tuple(one["loc"]) == ("body", "grant_type") for one in invalid):
        return "unsupported_grant_type"
    return "invalid_request"


COMMON: dict[str, Any] = {
    "tags": ["auth"],
    "dependencies": [NO_QUERY],
    "responses": problems(401),
}
router = APIRouter(prefix="/auth", route_class=OAuthRoute, **COMMON)
keys_router = APIRouter(route_class=Route, **COMMON)


@router.post("/token")
async def create_token(
    form: Annotated[TokenRequest, Form()],
    caller_id: CallerId,
    db: ReadOnlyDb,
    request: Request,
    response: Response,
) -> TokenOut:
    """Sign in with the OAuth2 password form; the username is the e-mail."""
    # The transaction is over before the hash is verified, which takes far longer.
    user = await in_transaction(db, _find_user, form.username, caller_id)
    matches = await verify_password(form.password, user.hashed_password if user else None)
    if user is None or not matches or not user.is_active:
        raise WrongPasswordError
    response.headers["Cache-Control"] = "no-store"  # RFC 6749, section 5.1
    token = request.app.state.keys.sign(user.id)
    return TokenOut(access_token=token, expires_in=TOKEN_SECONDS)


def _find_user(db: Session, email: str, caller_id: int | None) -> User | None:
    crud.find_caller(db, caller_id)
    return crud.find_user(db, email)


@keys_router.get("/.well-known/jwks.json", response_model=PublicKeys)
async def get_keys(
    caller_id: CallerId, db: Db, request: Request
) -> dict[str, list[dict[str, Any]]]:
    """Read the public keys that verify the tokens (RFC 7517)."""
    if caller_id is not None:  # else no thread is needed, and the keys come while a database hangs
        await in_transaction(db, crud.get_caller, caller_id)
    keys: dict[str, list[dict[str, Any]]] = request.app.state.keys.jwks()
    return keys
