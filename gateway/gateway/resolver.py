"""The addresses of hosts."""

import asyncio
from socket import SOCK_STREAM

TIMEOUT = 2.0


async def addresses_of(host: str) -> list[str]:
    """Return the addresses of a host in order, or none if there is no answer in time."""
    try:
        async with asyncio.timeout(TIMEOUT):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return sorted({str(info[4][0]) for info in found})
