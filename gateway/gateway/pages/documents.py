"""The OpenAPI documents of the services: fetched, and merged into one that requests share."""

import asyncio
import logging
import ssl
import time

import httpx
from pydantic_core import from_json

from gateway.pages.merging import Document, merge
from gateway.routes import Routes

logger = logging.getLogger(__name__)

MAX_AGE = 10.0  # seconds until the services are asked again
TIMEOUT = 2.0
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # upstreams are http only: no certificate is read


class Documents:
    """The last valid document of each service, and the one that is made of them."""

    def __init__(self, routes: Routes) -> None:
        self._upstreams = routes.upstreams
        self._routes = routes.routes
        self._copies: dict[str, Document] = {name: {"paths": {}} for name in routes.upstreams}
        self._merging: asyncio.Task[Document] | None = None
        self._expires_at = 0.0

    async def merged(self) -> Document:
        """Return one document of all services. Its description names those that are down.

        Requests at once share the work. One that is cancelled does not stop it for the others.
        """
        is_old = time.monotonic() >= self._expires_at
        if self._merging is None or (self._merging.done() and is_old):
            self._merging = asyncio.create_task(self._fetch_and_merge())
        return await asyncio.shield(self._merging)

    async def _fetch_and_merge(self) -> Document:
        # Used once, since httpx's pool of connections does not survive cancellations.
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=TIMEOUT) as client:
            notes = await asyncio.gather(*[self._fetch(client, name) for name in self._copies])
        merged = merge(self._copies, self._routes)
        merged["info"]["description"] += "".join(notes)
        self._expires_at = time.monotonic() + MAX_AGE
        return merged

    async def _fetch(self, client: httpx.AsyncClient, name: str) -> str:
        """Keep the document of a service, or return a note that there is no new one."""
        url = f"{self._upstreams[name].url}openapi.json"
        try:
            async with asyncio.timeout(TIMEOUT):
                response = await client.get(url)
            copy = from_json(response.raise_for_status().content, allow_inf_nan=False)
            merge({name: copy}, self._routes)  # raises if the document is invalid
        except Exception as error:  # noqa: BLE001 - a service may answer anything
            logger.warning("could not fetch %s: %s", url, type(error).__name__)
            return f"\n\n**{name} does not answer: its routes are missing or may have changed.**"
        self._copies[name] = copy
        return ""
