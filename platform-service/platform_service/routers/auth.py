"""Signing in, and the keys that others verify tokens with."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response

from platform_service import crud
from platform_service.database import Db, DbSession
from platform_service.dependencies import CallerDependency
from platform_service.errors import UnauthorizedError
from platform_service.keys import TOKEN_SECONDS
from platform_service.passwords import verify_password
from platform_service.requests import NO_QUERY, StrictRoute
from platform_service.schemas import TokenOut, TokenRequest

router = APIRouter(
    tags=["auth"], route_class=StrictRoute, dependencies=[CallerDependency, NO_QUERY]
)


@router.post("/auth/token")
async def create_token(
    form: Annotated[TokenRequest, Form()], db: Db, request: Request, response: Response
) -> TokenOut:
    """Sign in with the OAuth2 password form; the username is the e-mail."""
    user_id = await _authenticate(form, db)
    response.headers["Cache-Control"] = "no-store"  # RFC 6749, section 5.1
    token = request.app.state.keys.sign(user_id)
    return TokenOut(access_token=token, expires_in=TOKEN_SECONDS)


async def _authenticate(form: TokenRequest, db: DbSession) -> int:
    """Give the user's id; a wrong e-mail, a wrong password and an inactive user look alike."""
    found = await db.read(crud.get_credentials, form.username)
    matches = await verify_password(form.password, found.hashed_password if found else None)
    if found is None or not matches or not found.is_active:
        raise UnauthorizedError("The e-mail or the password is wrong.")
    return found.user_id


@router.get("/.well-known/jwks.json")
async def get_keys(request: Request) -> dict[str, list[dict[str, Any]]]:
    """Read the public keys that verify the tokens (RFC 7517)."""
    keys: dict[str, list[dict[str, Any]]] = request.app.state.keys.jwks()
    return keys
