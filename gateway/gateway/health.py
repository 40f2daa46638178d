"""Whether the gateway is alive, and whether it can be of use."""

import asyncio
import time
from collections.abc import Mapping

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from gateway.fetch import fetch
from gateway.problems import RETRY_SOON, Problem, answer

MAX_AGE = 1.0  # seconds that an answer is good for
TIMEOUT = 2.0
NEVER_CACHED = {"Cache-Control": "no-store"}

router = APIRouter(include_in_schema=False)


class Health:
    """What the upstreams say of themselves, asked by one request for all."""

    def __init__(self, client: httpx.AsyncClient, base_urls: Mapping[str, str]) -> None:
        self.draining = False
        self._client = client
        self._base_urls = base_urls
        self._statuses: dict[str, bool] = {}
        self._asked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def statuses(self) -> dict[str, bool]:
        """Return whether each upstream is ready, as it was at most a second ago."""
        async with self._lock:
            if time.monotonic() - self._asked_at > MAX_AGE:
                urls = [f"{url}/readyz" for url in self._base_urls.values()]
                asked = (fetch(self._client, url, TIMEOUT, bool) for url in urls)
                answers = await asyncio.gather(*asked)
                self._statuses = dict(zip(self._base_urls, answers, strict=True))
                self._asked_at = time.monotonic()
        return self._statuses


@router.api_route("/livez", methods=["GET", "HEAD"])
async def live() -> Response:
    """Tell that the process answers."""
    return JSONResponse({"status": "up"}, headers=NEVER_CACHED)


@router.api_route("/readyz", methods=["GET", "HEAD"])
async def ready(request: Request) -> Response:
    """Tell whether an upstream is ready and the gateway is not about to stop."""
    health: Health = request.app.state.health
    statuses = await health.statuses()
    checks = {name: "up" if is_up else "down" for name, is_up in statuses.items()}
    if any(statuses.values()) and not health.draining:
        return JSONResponse({"status": "up", "checks": checks}, headers=NEVER_CACHED)
    return answer(request, Problem(503, "The gateway is not ready.", RETRY_SOON), checks=checks)
