"""Health: is the process alive, and can it do its work?"""

from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response

router = APIRouter(include_in_schema=False)

_one_check_at_a_time = CapacityLimiter(1)


@router.get("/livez")
async def livez(response: Response) -> dict[str, str]:
    """Answer from the event loop alone: no database, no thread."""
    response.headers["Cache-Control"] = "no-store"
    return {"status": "up"}


@router.get("/readyz")
async def readyz(request: Request, response: Response) -> dict[str, Any]:
    """Say 200 when the database answers with the schema this code needs, unless draining."""
    state = request.app.state
    checks = await to_thread.run_sync(state.database.check, limiter=_one_check_at_a_time)
    ready = all(checks.values()) and not state.draining
    response.headers["Cache-Control"] = "no-store"
    if not ready:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    return {
        "status": _word(ready),
        "checks": {name: _word(well) for name, well in checks.items()},
    }


def _word(well: bool) -> str:
    return "up" if well else "down"
