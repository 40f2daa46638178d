"""What the services say of themselves, and whether the gateway can be of use."""

import asyncio
import logging
import time
from collections.abc import Callable

import httpx

from gateway.config import Routes

logger = logging.getLogger(__name__)

MAX_AGE = 1.0  # seconds that an answer is good for
TIMEOUT = 2.0


async def fetch(
    client: httpx.AsyncClient, url: str, seconds: float, use: Callable[[bytes], object]
) -> bool:
    """Have an answer used; tell whether all of it came in so many seconds and was good for that.

    Whatever a service answers, in HTTP or not, and whatever using it raises, is only logged.
    """
    try:
        async with asyncio.timeout(seconds):
            answer = (await client.get(url)).raise_for_status()
        use(answer.content)
    except Exception as error:  # noqa: BLE001 - as is said above
        logger.warning("%s gives nothing of use: %s", url, type(error).__name__)
        return False
    return True


class Health:
    """Whether each upstream is ready, asked by one request for all, and the gateway stops."""

    def __init__(self, client: httpx.AsyncClient, table: Routes) -> None:
        self.draining = False
        self._client = client
        self._urls = {name: f"{it.url}/readyz" for name, it in table.upstreams.items()}
        self._statuses: dict[str, bool] = {}
        self._asked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def statuses(self) -> dict[str, bool]:
        """Return whether each upstream is ready, as it was at most a second ago."""
        async with self._lock:
            if time.monotonic() - self._asked_at > MAX_AGE:
                asked = (fetch(self._client, url, TIMEOUT, bool) for url in self._urls.values())
                answers = await asyncio.gather(*asked)
                self._statuses = dict(zip(self._urls, answers, strict=True))
                self._asked_at = time.monotonic()
        return self._statuses
