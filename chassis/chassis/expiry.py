"""Rows that expire: each insert deletes a few of them."""

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Delete, bindparam, delete, inspect, select, tuple_
from sqlalchemy.orm import Session

ROWS = 10  # more than are added, so that none are left behind


def delete_expired(db: Session, model: Any, now: datetime) -> None:
    """Delete up to ROWS expired rows. Rows that another transaction has locked are skipped."""
    db.execute(_deletion(model), {"now": now}, execution_options={"synchronize_session": False})


@cache  # to build it costs as much as to run it
def _deletion(model: Any) -> Delete:
    key = inspect(model).primary_key
    expired = (
        select(*key)
        .where(model.expires_at <= bindparam("now"))
        .order_by(model.expires_at)
        .limit(ROWS)
        .with_for_update(skip_locked=True)
    )
    return delete(model).where(tuple_(*key).in_(expired))
