"""Staying signed in: refresh tokens, each of which is used once (RFC 9700, section 4.14).

A transaction that changes the sessions of a user holds the user's row until it ends. Therefore no
new token appears while a family ends, and no two transactions wait for each other's tokens.
Nothing here commits.
"""

import hashlib
import logging
import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from chassis.expiry import delete_expired
from chassis.models import NOW, UtcDateTime
from platform_service.models import RefreshToken, User

logger = logging.getLogger(__name__)

LIFETIME = timedelta(days=30)  # of a session, however often it is refreshed
GRACE = timedelta(seconds=10)  # for a lost answer, or for a second tab
ENDS = "its session ends, since the token may be stolen"
UNSYNCHRONIZED = {"synchronize_session": False}  # No entity of these rows is ever loaded.

# Built once, since to build a query costs as much as to run it.
LOCK_USER = (
    select(NOW)
    .select_from(User)
    .where(User.id == bindparam("user_id"), User.is_active)
    .where(User.hashed_password == bindparam("hashed_password"))
    .with_for_update(key_share=True)
)
FIND = (
    select(
        User.is_active,
        RefreshToken.user_id,
        RefreshToken.family,
        RefreshToken.expires_at,
        NOW.label("now"),
    )
    .join(User, User.id == RefreshToken.user_id)
    .where(RefreshToken.sha256 == bindparam("sha256"), RefreshToken.expires_at > NOW)
    .with_for_update(of=User, key_share=True)
)
# Of several requests that use a token at once, the first one sets its time, and all of them get it.
USE = (
    update(RefreshToken)
    .where(RefreshToken.sha256 == bindparam("used"))
    .values(used_at=func.coalesce(RefreshToken.used_at, bindparam("now", type_=UtcDateTime)))
    .returning(RefreshToken.used_at)
)


class Issued(NamedTuple):
    """A new refresh token, and the seconds until its session ends."""

    user_id: int
    refresh_token: str
    refresh_expires_in: int


def begin_session(db: Session, user_id: int, hashed_password: str) -> Issued | None:
    """Return the first token of a session, or None.

    None means that the user is inactive or that the password has changed since it was verified.
    """
    now = db.scalar(LOCK_USER, {"user_id": user_id, "hashed_password": hashed_password})
    return _issue(db, user_id, now, now + LIFETIME) if now else None


def refresh(db: Session, token: str) -> Issued | None:
    """Use a token and return the next one of its session, or None if it is not valid.

    A token that was first used more than GRACE ago may be stolen. Its session ends, since nobody
    knows whether the thief or the owner came first.
    """
    digest = _digest(token)
    found = db.execute(FIND, {"sha256": digest}).one_or_none()
    if found is None or not found.is_active:
        return None
    used_at = db.scalar(USE, {"used": digest, "now": found.now}, execution_options=UNSYNCHRONIZED)
    if used_at is None:  # the session has ended while this waited for the user's row
        return None
    if found.now - used_at > GRACE:
        _end_family(db, found.family)
        logger.warning("a used refresh token of user %d came again: %s", found.user_id, ENDS)
        return None
    return _issue(db, found.user_id, found.now, found.expires_at, found.family)


def revoke(db: Session, token: str, *, everywhere: bool) -> None:
    """End the session of a token, used or not, or every session of its user."""
    found = db.execute(FIND, {"sha256": _digest(token)}).one_or_none()
    if found and everywhere:
        end_sessions(db, found.user_id)
    elif found:
        _end_family(db, found.family)


def end_sessions(db: Session, user_id: int) -> None:
    """End every session of a user."""
    db.execute(select(User.id).where(User.id == user_id).with_for_update(key_share=True))
    tokens = delete(RefreshToken).where(RefreshToken.user_id == user_id)
    db.execute(tokens, execution_options=UNSYNCHRONIZED)


def _end_family(db: Session, family: bytes) -> None:
    tokens = delete(RefreshToken).where(RefreshToken.family == family)
    db.execute(tokens, execution_options=UNSYNCHRONIZED)


def _issue(
    db: Session, user_id: int, now: datetime, expires_at: datetime, family: bytes | None = None
) -> Issued:
    token = secrets.token_urlsafe(32)  # bytes
    digest = _digest(token)
    db.add(
        RefreshToken(sha256=digest, family=family or digest, user_id=user_id, expires_at=expires_at)
    )
    delete_expired(db, RefreshToken, now)
    return Issued(user_id, token, int((expires_at - now).total_seconds()))


def _digest(token: str) -> bytes:
    """Return what is stored of a token. A fast hash will do, since nobody can guess 256 bits."""
    return hashlib.sha256(token.encode()).digest()
