"""What the services say of themselves: fetched in time and of use, or not at all."""

import asyncio
import logging
from collections.abc import Callable

import httpx

logger = logging.getLogger(__name__)


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
