"""Whether the gateway is alive, and whether it can be of use."""

import asyncio
import time
from collections.abc import Mapping

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gateway.fetch import fetch

MAX_AGE = 1.0  # seconds that an answer is good for
TIMEOUT = 2.0

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
async def live() -> JSONResponse:
    """Tell that the process answers."""
    return JSONResponse({"status": "up"}, headers={"Cache-Control": "no-store"})


@router.api_route("/readyz", methods=["GET", "HEAD"])
async def ready(request: Request) -> JSONResponse:
    """Tell whether an upstream is ready and the gateway is not about to stop."""
    health: Health = request.app.state.health
    statuses = await health.statuses()
    up = any(statuses.values()) and not health.draining
    checks = {name: "up" if is_up else "down" for name, is_up in statuses.items()}
    headers = {"Cache-Control": "no-store"} | ({} if up else {"Retry-After": "1"})
    content = {"status": "up" if up else "down", "checks": checks}
    return JSONResponse(content, 200 if up else 503, headers)
