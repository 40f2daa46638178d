"""Signing in and out."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.orm import Session

from chassis.addresses import ClientNetwork
from chassis.callers import CallerId
from chassis.errors import BadRequestError, UnauthorizedError
from chassis.openapi import problem_responses
from chassis.tokens import TokenVerifier
from chassis.transactions import in_transaction
from platform_service import crud, sessions, throttle
from platform_service.database import Db, ReadOnlyDb
from platform_service.errors import RefreshTokenError, WrongPasswordError
from platform_service.keys import TOKEN_SECONDS
from platform_service.models import User
from platform_service.oauth import OAuthRoute
from platform_service.passwords import verify_password
from platform_service.schemas import RevocationRequest, TokenOut, TokenRequest
from platform_service.sessions import Issued

UNCERTAIN = (504, 507)  # of a POST that stores something and is no creation
router = APIRouter(
    prefix="/auth", tags=["auth"], route_class=OAuthRoute, responses=problem_responses(401)
)


@router.post("/token", responses=problem_responses(429, *UNCERTAIN))
async def create_token(
    form: Annotated[TokenRequest, Form()],
    *,
    caller_id: CallerId,
    network: ClientNetwork,
    db: Db,
    reader: ReadOnlyDb,
    request: Request,
    response: Response,
) -> TokenOut:
    """Sign in with e-mail and password, or stay signed in with a refresh token.

    A refresh token is used once, and the answer has the next one. For ten seconds it may be used
    again, after a lost answer or by a second tab. Later the whole session ends, since the token
    may be stolen. After wrong passwords for an e-mail, each attempt has to wait longer (429). Send
    no Authorization header: an expired token in it is refused here, too.
    """
    if form.grant_type == "password":
        issued = await _sign_in(form, caller_id, network, reader, db)
    else:
        issued = await _refresh(form.refresh_token, caller_id, db)
    response.headers["Cache-Control"] = "no-store"  # RFC 6749, section 5.1
    token = request.app.state.keys.sign(issued.user_id)
    return TokenOut(
        access_token=token,
        expires_in=TOKEN_SECONDS,
        refresh_token=issued.refresh_token,
        refresh_expires_in=issued.refresh_expires_in,
    )


async def _sign_in(
    form: TokenRequest, caller_id: int | None, network: str, reader: Session, db: Session
) -> Issued:
    # The first transaction is over before the hash is verified, which takes far longer.
    user = await in_transaction(reader, _find_user, form.username, caller_id, network)
    matches = await verify_password(form.password, user.hashed_password if user else None)
    issued = await in_transaction(db, _decide, user if matches else None, form.username, network)
    if issued is None:
        raise WrongPasswordError
    return issued


def _find_user(db: Session, email: str, caller_id: int | None, network: str) -> User | None:
    crud.find_caller(db, caller_id)
    throttle.check_wait(db, email, network)
    return crud.find_user(db, email)


def _decide(db: Session, user: User | None, email: str, network: str) -> Issued | None:
    """Begin a session of the user, or count a failure and return None."""
    issued = sessions.begin_session(db, user.id, user.hashed_password) if user else None
    throttle.note_attempt(db, email, network, matches=issued is not None)
    return issued


async def _refresh(refresh_token: str, caller_id: int | None, db: Session) -> Issued:
    issued = await in_transaction(db, _next_token, refresh_token, caller_id)
    if issued is None:  # The transaction is committed: it may have ended a stolen session.
        raise RefreshTokenError
    return issued


def _next_token(db: Session, refresh_token: str, caller_id: int | None) -> Issued | None:
    crud.find_caller(db, caller_id)
    if not refresh_token:
        raise BadRequestError("The field refresh_token is missing.")
    return sessions.refresh(db, refresh_token)


@router.post("/revoke", response_class=Response, responses=problem_responses(*UNCERTAIN))
async def revoke_token(
    form: Annotated[RevocationRequest, Form()], caller_id: CallerId, db: Db, request: Request
) -> None:
    """Sign out: end the session of a refresh token, or with `all=true` all of its user's.

    With `all=true` the token may be an access token, too. Without `all=true` an access token, which
    names no session, stays valid until it expires, within 15 minutes. The answer is the same
    whatever the token. Send no Authorization header: an expired token in it is refused here, too.
    """
    everywhere = form.all == "true"
    user_id = await _find_user_id(form.token, request) if everywhere else None
    await in_transaction(db, _revoke, form.token, caller_id, user_id, everywhere=everywhere)


async def _find_user_id(token: str, request: Request) -> int | None:
    """Return the id that an access token names, or None if it is not valid."""
    verifier: TokenVerifier = request.app.state.token_verifier
    try:
        return await verifier.caller_id(token)
    except UnauthorizedError:
        return None


def _revoke(
    db: Session, token: str, caller_id: int | None, user_id: int | None, *, everywhere: bool
) -> None:
    crud.find_caller(db, caller_id)
    if user_id is None:
        sessions.revoke(db, token, everywhere=everywhere)
    else:
        sessions.end_sessions(db, user_id)
