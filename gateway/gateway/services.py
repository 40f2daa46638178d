"""What the services say of themselves: who is ready, and their OpenAPI documents as one."""

import asyncio
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from async_lru import alru_cache
from pydantic_core import from_json

from gateway.config import METHODS, Route, Routes, matcher

logger = logging.getLogger(__name__)

Document = dict[str, Any]

FRAME = Path(__file__).with_name("openapi.json").read_text("utf-8")
SIGNED_IN: Document = {"signed-in": []}
PROBLEM = {"$ref": "#/components/responses/Problem"}
NAME = re.compile(r'("#/components/\w+/|"operationId": ")([\w.-]+)')  # of a component or operation
STATUS_MAX_AGE = 1.0  # seconds until the services are asked again
DOCUMENT_MAX_AGE = 10.0
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


class Services:
    """Asks all services at once for what they say; whoever asks at the same time shares it."""

    def __init__(self, client: httpx.AsyncClient, table: Routes) -> None:
        self._client = client
        self._table = table
        self._copies: dict[str, Document] = {name: {"paths": {}} for name in table.upstreams}
        self.statuses = alru_cache(ttl=STATUS_MAX_AGE)(self._statuses)
        self.document = alru_cache(ttl=DOCUMENT_MAX_AGE)(self._document)

    async def _statuses(self) -> dict[str, str]:
        """Tell which services are ready."""
        return await self._ask("readyz", lambda *_: None)

    async def _document(self) -> Document:
        """Merge the newest document of each service; the description tells who is down."""
        statuses = await self._ask("openapi.json", self._keep)
        merged = merge(self._copies, self._table.routes)
        for name in [name for name, status in statuses.items() if status == "down"]:
            note = f"**{name} does not answer: its routes are missing or may have changed.**"
            merged["info"]["description"] += f"\n\n{note}"
        return merged

    def _keep(self, service: str, answer: bytes) -> None:
        copy = from_json(answer, allow_inf_nan=False)
        merge({service: copy}, self._table.routes)  # or else it is no better than none
        self._copies[service] = copy

    async def _ask(self, path: str, use: Callable[[str, bytes], object]) -> dict[str, str]:
        """Have each service's answer used, with its name; return who is "up" and who is "down"."""
        asked = [
            fetch(self._client, f"{upstream.url}{path}", TIMEOUT, partial(use, name))
            for name, upstream in self._table.upstreams.items()
        ]
        statuses = ["up" if is_good else "down" for is_good in await asyncio.gather(*asked)]
        return dict(zip(self._table.upstreams, statuses, strict=True))


def merge(documents: Mapping[str, Document], routes: Sequence[Route]) -> Document:
    """Merge documents, by service, into one of what the routes lead to.

    A name that is in several of them gets its service's name in front. The gateway's sign-in,
    its rule for writes and the shape of its errors are added.
    """
    merged: Document = json.loads(FRAME)
    uses = Counter(name for document in (merged, *documents.values()) for name in _names(document))
    find = matcher(routes)
    for service, document in documents.items():
        copy = _renamed(document, {name: f"{service}.{name}" for name in uses if uses[name] > 1})
        for section, entries in copy["components"].items():
            merged["components"].setdefault(section, {}).update(entries)
        for path, item in copy["paths"].items():
            route = find(path.encode())
            if route and route.upstream == service:
                _complete(item, route)
                merged["paths"][path] = item
    return merged


def _names(document: Document) -> set[str]:
    components = document.get("components", {}).values()
    used = {name for _, name in NAME.findall(json.dumps(document))}
    return used.union(*components)


def _renamed(document: Document, names: Mapping[str, str]) -> Document:
    """Copy a document with other names; the gateway's way to sign in replaces its own."""
    written = json.dumps(document, allow_nan=False)
    text = NAME.sub(lambda use: use[1] + names.get(use[2], use[2]), written)
    copy: Document = json.loads(text)
    copy["components"] = {
        section: {names.get(name, name): content for name, content in entries.items()}
        for section, entries in copy.get("components", {}).items()
        if section != "securitySchemes"
    }
    return copy


def _complete(item: Document, route: Route) -> None:
    """Add to a path's operations who may call them and what an error looks like."""
    for method in [it for it in item if it.upper() in METHODS]:
        operation = item[method]
        needs_token = route.needs_token(method.upper())
        asked = [SIGNED_IN] if needs_token else operation.get("security", [])
        operation["security"] = [SIGNED_IN if one else {} for one in asked]
        operation.setdefault("responses", {}).update({"4XX": PROBLEM, "5XX": PROBLEM})
