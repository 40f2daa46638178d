"""Health: is the process alive, and can it do its work?"""

import asyncio

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from chassis.problems import RETRY_SOON, problem

CHECK_SECONDS = 2  # within which the database must answer

router = APIRouter(include_in_schema=False)

_NEVER_CACHED = {"Cache-Control": "no-store"}
_one_check_at_a_time = CapacityLimiter(1)


@router.get("/livez")
async def livez() -> Response:
    """Answer from the event loop alone: no database, no thread."""
    return JSONResponse({"status": "up"}, headers=_NEVER_CACHED)


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Answer 200 while the database answers with the schema that this code needs.

    A service that drains is not ready. One whose storage is full is: it still reads.
    """
    checks = await _check(request)
    words = {name: "up" if well else "down" for name, well in checks.items()}
    if request.app.state.database.storage_is_full:
        words["storage"] = "down"
    if all(checks.values()) and not request.app.state.draining:
        return JSONResponse({"status": "up", "checks": words}, headers=_NEVER_CACHED)
    headers = {**_NEVER_CACHED, **RETRY_SOON}
    return problem(request, 503, "The service is not ready.", headers, checks=words)


async def _check(request: Request) -> dict[str, bool]:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await to_thread.run_sync(
                request.app.state.database.check,
                abandon_on_cancel=True,
                limiter=_one_check_at_a_time,
            )
    except TimeoutError:
        return {"database": False, "schema": False}
