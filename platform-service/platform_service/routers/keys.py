"""The keys that others verify tokens with."""

from typing import Any

from fastapi import APIRouter, Request

from chassis.callers import CallerId
from chassis.openapi import problem_responses
from chassis.routes import Route
from chassis.transactions import in_transaction
from platform_service import crud
from platform_service.database import Db
from platform_service.keys import KeySet
from platform_service.schemas import PublicKeys

router = APIRouter(tags=["auth"], route_class=Route, responses=problem_responses(401))


@router.get("/.well-known/jwks.json", response_model=PublicKeys)
async def get_keys(
    caller_id: CallerId, db: Db, request: Request
) -> dict[str, list[dict[str, Any]]]:
    """Read the public keys that verify the tokens (RFC 7517)."""
    # Without a caller no thread is needed: the keys are served while the database hangs.
    if caller_id is not None:
        await in_transaction(db, crud.get_caller, caller_id)
    keys: KeySet = request.app.state.keys
    return keys.jwks()
