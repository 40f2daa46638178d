"""Limits on wrong passwords: after too many for an account, each attempt has to wait longer.

Failures are counted for each network. Networks from which nobody has signed in to the account are
also counted together, so that guesses from many networks have to wait. They do not slow down a
known network. Failures of callers with a token of the account are counted together and apart from
these, so that no stranger keeps its user from changing the password.

An account is an e-mail. One that nobody has is counted likewise, so that nobody learns who has one.
Nothing here commits.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import bindparam, case, select
from sqlalchemy.dialects.postgresql import insert  # SQLite's compiler takes it, too
from sqlalchemy.orm import Session

from chassis.errors import TooManyRequestsError
from chassis.expiry import delete_expired
from chassis.models import NOW
from platform_service.emails import email_key
from platform_service.models import SignInNetwork

FREE_FAILURES = 10  # of a network; from then on, each wait is twice as long as the last one
FREE_FAILURES_OF_STRANGERS = 20
FIRST_WAIT = 1  # second
LONGEST_WAIT = 15 * 60
FORGOTTEN_AFTER = timedelta(hours=6)  # without a failure
KNOWN_FOR = timedelta(days=90)
# Each stands for all networks that are not known. No network has such a name.
STRANGERS = ""
HOLDERS = "\0"  # of a token of the account

# Built once, since to build a query costs as much as to run it.
FIND = select(
    SignInNetwork.sha256,
    SignInNetwork.failures,
    SignInNetwork.failed_at,
    SignInNetwork.is_known,
    NOW.label("now"),
).where(SignInNetwork.sha256.in_([bindparam("own"), bindparam("together")]))
IS_RECENT = SignInNetwork.failed_at > bindparam("forgotten")
FAIL = (
    insert(SignInNetwork)
    .values(
        sha256=bindparam("sha256"),
        failures=1,
        failed_at=NOW,
        is_known=False,
        expires_at=bindparam("expires_at"),
    )
    .on_conflict_do_update(
        index_elements=[SignInNetwork.sha256],
        set_={
            "failures": case((IS_RECENT, SignInNetwork.failures + 1), else_=1),
            "failed_at": NOW,
            "expires_at": case(
                (SignInNetwork.is_known, SignInNetwork.expires_at),
                else_=bindparam("expires_at"),
            ),
        },
    )
    .returning(SignInNetwork.is_known)
)
SUCCESS: dict[str, Any] = {"failures": 0, "is_known": True, "expires_at": bindparam("expires_at")}
SUCCEED = (
    insert(SignInNetwork)
    .values(sha256=bindparam("sha256"), **SUCCESS)
    .on_conflict_do_update(index_elements=[SignInNetwork.sha256], set_=SUCCESS)
)


def check_wait(db: Session, email: str, network: str, others: str = STRANGERS) -> None:
    """Raise TooManyRequestsError while a password for this account would come too soon."""
    own, together = _digest(email, network), _digest(email, others)
    rows = {row.sha256: row for row in db.execute(FIND, {"own": own, "together": together})}
    seconds = _wait(rows.get(own), FREE_FAILURES)
    if own not in rows or not rows[own].is_known:
        seconds = max(seconds, _wait(rows.get(together), FREE_FAILURES_OF_STRANGERS))
    if seconds > 0:
        detail = "There were too many wrong passwords; try again later."
        raise TooManyRequestsError(detail, ceil(seconds))


def note_attempt(
    db: Session, email: str, network: str, others: str = STRANGERS, *, matches: bool
) -> None:
    """Note whether a password was right. Raise TooManyRequestsError if others failed meanwhile."""
    check_wait(db, email, network, others)
    if matches:
        note_success(db, email, network)
    else:
        note_failure(db, email, network, others)


def note_failure(db: Session, email: str, network: str, others: str = STRANGERS) -> None:
    """Count a wrong password for this account."""
    now = datetime.now(UTC)  # of this replica: beside hours, a difference of clocks is nothing
    times = {"forgotten": now - FORGOTTEN_AFTER, "expires_at": now + FORGOTTEN_AFTER}
    if not db.scalar(FAIL, {"sha256": _digest(email, network), **times}):
        db.scalar(FAIL, {"sha256": _digest(email, others), **times})
    delete_expired(db, SignInNetwork, now)


def note_success(db: Session, email: str, network: str) -> None:
    """Remember a network from which somebody has signed in to this account, or signed up."""
    until = datetime.now(UTC) + KNOWN_FOR
    db.execute(SUCCEED, {"sha256": _digest(email, network), "expires_at": until})


def _wait(row: Any, free: int) -> float:
    """Return the seconds that are left to wait after the last failure."""
    if row is None or row.failures < free:
        return 0
    wait = min(FIRST_WAIT * 2 ** (row.failures - free), LONGEST_WAIT)
    left: timedelta = row.failed_at + timedelta(seconds=wait) - row.now
    return left.total_seconds()


def _digest(email: str, network: str) -> bytes:
    return hashlib.sha256(f"{email_key(email)}\0{network}".encode()).digest()
