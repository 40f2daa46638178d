"""Signing in, and the keys that others verify tokens with."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.orm import Session

from chassis.errors import UnauthorizedError
from chassis.openapi import problems
from chassis.requests import NO_QUERY
from chassis.routes import Route
from chassis.transactions import in_transaction
from platform_service import crud
from platform_service.database import Db, ReadOnlyDb
from platform_service.dependencies import CallerId
from platform_service.keys import TOKEN_SECONDS
from platform_service.models import User
from platform_service.passwords import verify_password
from platform_service.schemas import PublicKeys, TokenOut, TokenRequest

router = APIRouter(
    tags=["auth"], route_class=Route, dependencies=[NO_QUERY], responses=problems(401)
)


@router.post("/auth/token")
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
        raise UnauthorizedError("The e-mail or the password is wrong.")
    response.headers["Cache-Control"] = "no-store"  # RFC 6749, section 5.1
    token = request.app.state.keys.sign(user.id)
    return TokenOut(access_token=token, expires_in=TOKEN_SECONDS)


def _find_user(db: Session, email: str, caller_id: int | None) -> User | None:
    crud.find_caller(db, caller_id)
    return crud.find_user(db, email)


@router.get("/.well-known/jwks.json", response_model=PublicKeys)
async def get_keys(
    caller_id: CallerId, db: Db, request: Request
) -> dict[str, list[dict[str, Any]]]:
    """Read the public keys that verify the tokens (RFC 7517)."""
    if caller_id is not None:  # else no thread is needed, and the keys come while a database hangs
        await in_transaction(db, crud.get_caller, caller_id)
    keys: dict[str, list[dict[str, Any]]] = request.app.state.keys.jwks()
    return keys
