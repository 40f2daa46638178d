"""The trusted proxies: their X-Forwarded-For and Forwarded are believed."""

import asyncio
import logging
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NoReturn

from gateway.http1 import Headers
from gateway.proxy.forwarded import NAMES, Networks, Source, is_trusted, source_of
from gateway.resolver import addresses_of

logger = logging.getLogger(__name__)

RESOLVE_INTERVAL = 5.0  # seconds from one resolution of the names to the next
MAX_REPORTS = 20  # log lines in the life of the process, before strangers get no more of them

UNHEARD = (
    "%s sends X-Forwarded-For, Forwarded or X-Real-IP and is not trusted: the fields are replaced."
    " If it is your proxy, name it in GATEWAY_TRUSTED_PROXIES."
)
DISPUTED = (
    "through the trusted proxy %s came a Forwarded and an X-Forwarded-For that name different"
    " clients: neither is believed. Let the proxy remove the one that it does not write."
)
NAMELESS = "%s, named in GATEWAY_TRUSTED_PROXIES, has no address: it is not trusted until it has."


class TrustedProxies:
    """The networks and hosts of GATEWAY_TRUSTED_PROXIES. The addresses of a host may change."""

    def __init__(self, named: Sequence[IPv4Network | IPv6Network | str]) -> None:
        self._fixed = [it for it in named if not isinstance(it, str)]
        self._resolved: dict[str, list[IPv4Network | IPv6Network]] = {
            it: [] for it in named if isinstance(it, str)
        }
        self.networks = Networks(self._fixed)
        self._reports: set[tuple[str, str]] = set()

    def include(self, peer: str) -> bool:
        """Return whether an address is trusted."""
        return is_trusted(peer, self.networks)

    def source_of(self, headers: Headers, peer: str, scheme: str) -> Source:
        """Return the source of a request. Log once if the fields about it are not believed."""
        found = source_of(headers, peer, scheme, self.networks)
        if found.is_disputed:
            self._report(DISPUTED, peer)
        elif not dict(headers).keys().isdisjoint(NAMES) and not self.include(peer):
            self._report(UNHEARD, peer)
        return found

    def _report(self, message: str, subject: str) -> None:
        is_flood = message == UNHEARD and len(self._reports) >= MAX_REPORTS
        if (message, subject) not in self._reports and not is_flood:
            self._reports.add((message, subject))
            logger.warning(message, subject)

    async def resolve(self) -> None:
        """Resolve the name of each host. A name that does not resolve keeps its last addresses."""
        await asyncio.gather(*map(self._resolve, self._resolved))
        found = [network for networks in self._resolved.values() for network in networks]
        if [*self.networks] != [*self._fixed, *found]:  # otherwise the caches stay valid
            self.networks = Networks([*self._fixed, *found])

    async def _resolve(self, name: str) -> None:
        if found := await addresses_of(name):
            self._resolved[name] = [ip_network(it.partition("%")[0]) for it in found]
        elif not self._resolved[name]:
            self._report(NAMELESS, name)

    async def resolve_forever(self) -> NoReturn:
        """Call resolve() every RESOLVE_INTERVAL seconds."""
        while True:
            await asyncio.sleep(RESOLVE_INTERVAL)
            await self.resolve()
