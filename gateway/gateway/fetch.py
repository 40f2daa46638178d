"""What the services say of themselves, fetched whole and in time or not at all."""

import asyncio
from typing import Any

import httpx
from aiohttp import ClientError
from pydantic_core import from_json


class Unusable(Exception):  # noqa: N818 - a state of the service, not a fault here
    """No good answer came in time."""


# What comes of reading JSON that has another shape than it should.
MISSHAPEN = (Unusable, AttributeError, LookupError, TypeError, ValueError)


async def fetch(client: httpx.AsyncClient, url: str, seconds: float) -> bytes:
    """Return what is at a URL, in so many seconds from the first byte to the last.

    Raises:
        Unusable: it is not there, or comes too slowly, or not in HTTP.
    """
    try:
        async with asyncio.timeout(seconds):
            return (await client.get(url)).raise_for_status().content
    except (httpx.HTTPError, ClientError, OSError) as error:  # the transport maps not all of them
        raise Unusable(type(error).__name__) from error


async def fetch_json(client: httpx.AsyncClient, url: str, seconds: float) -> Any:
    """Return the JSON at a URL, of a bounded depth.

    Raises:
        Unusable: as for fetch().
        ValueError: it is no such JSON.
    """
    return from_json(await fetch(client, url, seconds), allow_inf_nan=False)
