"""Users."""

import asyncio
from time import monotonic
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import MISSING
from sqlalchemy.orm import Session

from chassis.addresses import ClientNetwork
from chassis.callers import CallerId, SignedInId
from chassis.idempotency import Attempt, IdempotencyKey, Replay, sent_otherwise
from chassis.openapi import problem_responses
from chassis.pages import Page
from chassis.pagination import Row, link_next_page
from chassis.routes import Route
from chassis.transactions import in_transaction
from platform_service import crud, throttle
from platform_service.database import Db, ReadOnlyDb
from platform_service.errors import WrongCurrentPasswordError
from platform_service.models import User
from platform_service.passwords import hash_password, verify_password
from platform_service.privacy import hide_email, hide_emails
from platform_service.schemas import AccountDelete, UserCreate, UserId, UserOut, UserUpdate

router = APIRouter(
    prefix="/users", tags=["users"], route_class=Route, responses=problem_responses(401)
)


@router.post("/", status_code=201, response_model=UserOut, responses=problem_responses(409, 429))
async def create_user(
    user: UserCreate,
    caller_id: CallerId,
    network: ClientNetwork,
    db: Db,
    response: Response,
    *,
    request: Request,
    key: IdempotencyKey = None,
) -> User | Response:
    """Sign up; Location names the new user."""
    # The hash takes far longer than a transaction should.
    hashed_password = await hash_password(user.password)
    attempt = Attempt(request, key)

    def create(db: Session) -> User:
        crud.find_caller(db, caller_id)
        created = crud.create_user(db, user.email, hashed_password)
        throttle.note_success(db, user.email, network)
        response.headers["Location"] = f"/users/{created.id}"
        return created

    answer = await in_transaction(
        db, lambda db: attempt.answer(db, response, create, user, secret=hashed_password)
    )
    if isinstance(answer, Replay):
        await _verify_again(user, answer, network, db)
    return answer


async def _verify_again(user: UserCreate, first: Replay, network: str, db: Session) -> None:
    """Raise an error unless the password is that of the first sign-up. Guesses wait as elsewhere.

    Only its hash was kept.
    """
    await in_transaction(db, throttle.check_wait, user.email, network)
    matches = await verify_password(user.password, first.secret)
    await in_transaction(db, _note_guess, user.email, network, matches=matches)
    if not matches:
        raise sent_otherwise()


def _note_guess(db: Session, email: str, network: str, *, matches: bool) -> None:
    # A right one proves nothing, since the password may have been changed after the sign-up.
    throttle.check_wait(db, email, network)  # others may have failed meanwhile
    if not matches:
        throttle.note_failure(db, email, network)


@router.get("/", response_model=list[UserOut])
def list_users(
    page: Annotated[Page, Query()],
    caller_id: SignedInId,
    db: Db,
    request: Request,
    response: Response,
) -> list[Row]:
    """List users; `Link: …; rel="next"` leads on when there are more."""
    crud.get_caller(db, caller_id)
    if page.count:
        response.headers["X-Total-Count"] = str(crud.count_users(db))
    found = crud.list_users(db, page)
    hide_emails(request, caller_id, found, owner="id", email="email")
    return link_next_page(request, response, page, found)


@router.get("/me", response_model=UserOut)
def get_me(caller_id: SignedInId, db: Db) -> User:
    """Read the signed-in user."""
    return crud.get_caller(db, caller_id)


@router.patch("/me", response_model=UserOut, responses=problem_responses(403, 409, 429))
async def update_me(
    changes: UserUpdate,
    caller_id: SignedInId,
    network: ClientNetwork,
    db: Db,
    reader: ReadOnlyDb,
) -> User:
    """Change the e-mail, the password or both. A new password ends every session.

    After wrong current passwords, the next attempt has to wait (429), as at a sign-in.
    """
    caller = await _verify(changes.current_password, caller_id, network, reader, db)
    email = None if changes.email is MISSING else changes.email
    new_hash = None if changes.password is MISSING else await hash_password(changes.password)
    return await in_transaction(db, _update_user, caller, email, new_hash, network)


def _update_user(
    db: Session, caller: User, email: str | None, new_hash: str | None, network: str
) -> User:
    user = crud.update_user(db, caller, email, new_hash)
    throttle.note_success(db, user.email, network)
    return user


@router.delete(
    "/me", status_code=204, response_class=Response, responses=problem_responses(403, 429)
)
async def delete_me(
    account: AccountDelete,
    caller_id: SignedInId,
    network: ClientNetwork,
    db: Db,
    reader: ReadOnlyDb,
) -> None:
    """Delete the account, its articles and its sessions.

    Posts stay, since another service has them. Nobody can change or delete them from then on.
    """
    caller = await _verify(account.current_password, caller_id, network, reader, db)
    began = monotonic()
    while not await in_transaction(db, crud.delete_user, caller):  # some of the articles
        await asyncio.sleep(monotonic() - began)  # others write meanwhile: SQLite keeps no queue
        began = monotonic()


async def _verify(
    current_password: str, caller_id: int, network: str, reader: Session, db: Session
) -> User:
    """Return the caller as of now, or raise WrongCurrentPasswordError once that is counted."""
    # As at a sign-in, the first transaction is over before the hash is verified.
    caller = await in_transaction(reader, _find_caller, caller_id, network)
    matches = await verify_password(current_password, caller.hashed_password)
    await in_transaction(
        db, throttle.note_attempt, caller.email, network, throttle.HOLDERS, matches=matches
    )
    if not matches:
        raise WrongCurrentPasswordError
    return caller


def _find_caller(db: Session, caller_id: int, network: str) -> User:
    caller = crud.get_caller(db, caller_id)
    throttle.check_wait(db, caller.email, network, throttle.HOLDERS)
    return caller


@router.get("/{user_id}", response_model=UserOut)
def get_user(user_id: UserId, caller_id: SignedInId, db: Db, request: Request) -> User:
    """Read one user."""
    crud.get_caller(db, caller_id)
    user = crud.get_user(db, user_id)
    hide_email(request, caller_id, user)
    return user
