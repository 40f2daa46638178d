"""Addresses of clients, as limits count them."""

from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address, IPv6Network
from typing import Annotated

from fastapi import Depends, Request


@lru_cache(maxsize=10_000)
def counted_as(client: str) -> str:
    """Return the address that a client is counted under: of IPv6 its /64 or its IPv4 address."""
    try:
        address = IPv6Address(client)
    except AddressValueError:
        return client
    return str(address.ipv4_mapped or IPv6Network((int(address), 64), strict=False))


async def get_client_network(request: Request) -> str:
    """Return the address that the client of a request is counted under."""
    return counted_as(request.client.host if request.client else "")


ClientNetwork = Annotated[str, Depends(get_client_network)]
