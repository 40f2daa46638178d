"""Signing in, and the keys that others verify tokens with."""

from typing import Any

from fastapi import APIRouter, Request, Response

from platform_service.dependencies import AuthenticatedUserId, CallerDependency
from platform_service.keys import TOKEN_SECONDS
from platform_service.requests import NO_QUERY, StrictRoute
from platform_service.schemas import TokenOut

router = APIRouter(
    tags=["auth"], route_class=StrictRoute, dependencies=[CallerDependency, NO_QUERY]
)


@router.post("/auth/token")
async def create_token(
    user_id: AuthenticatedUserId, request: Request, response: Response
) -> TokenOut:
    """Sign in with the OAuth2 password form; the username is the e-mail."""
    response.headers["Cache-Control"] = "no-store"  # RFC 6749, section 5.1
    token = request.app.state.keys.sign(user_id)
    return TokenOut(access_token=token, expires_in=TOKEN_SECONDS)


@router.get("/.well-known/jwks.json")
async def get_keys(request: Request) -> dict[str, list[dict[str, Any]]]:
    """Read the public keys that verify the tokens (RFC 7517)."""
    keys: dict[str, list[dict[str, Any]]] = request.app.state.keys.jwks()
    return keys
