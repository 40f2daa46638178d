"""The gateway's own questions to the services, and results that requests share."""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

import httpx

from gateway.routes import UpstreamLimits

logger = logging.getLogger(__name__)

T = TypeVar("T")

TIMEOUT = 2.0
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # upstreams are http only: no certificate is read


async def fetch_from_each(
    upstreams: Mapping[str, UpstreamLimits], path: str, use: Callable[[str, bytes], object]
) -> dict[str, str]:
    """GET a path of every service at once and pass each name and body to `use`.

    Returns:
        "up" or "down" by the service's name. Any answer and any exception of `use` is only logged.
    """

    async def fetch(name: str, url: str) -> str:
        try:
            async with asyncio.timeout(TIMEOUT):
                response = await client.get(url)
            use(name, response.raise_for_status().content)
        except Exception as error:  # noqa: BLE001 - see above
            logger.warning("could not fetch %s: %s", url, type(error).__name__)
            return "down"
        return "up"

    # Used once, since httpx's pool of connections does not survive cancellations.
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=TIMEOUT) as client:
        fetches = [fetch(name, f"{it.url}{path}") for name, it in upstreams.items()]
        return dict(zip(upstreams, await asyncio.gather(*fetches), strict=True))


class Shared(Generic[T]):
    """The result of a coroutine function, kept for a while and shared by all callers."""

    def __init__(self, work: Callable[[], Awaitable[T]], max_age: float) -> None:
        self._work = work
        self._max_age = max_age
        self._expires_at = 0.0
        self._task: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """Return the result. A caller that is cancelled does not stop the work for the others."""
        is_old = time.monotonic() >= self._expires_at
        if self._task is None or (self._task.done() and is_old):
            self._task = asyncio.create_task(self._run())
        return await asyncio.shield(self._task)

    async def _run(self) -> T:
        result = await self._work()
        self._expires_at = time.monotonic() + self._max_age
        return result
