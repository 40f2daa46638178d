"""/openapi.json: the services' OpenAPI documents as one."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from pydantic_core import from_json

from gateway.config import METHODS, Route, Routes, matcher
from gateway.health import fetch

Document = dict[str, Any]

FRAME = Path(__file__).with_name("openapi.json").read_text("utf-8")
SIGNED_IN: Document = {"signed-in": []}
PROBLEM = {"$ref": "#/components/responses/Problem"}
NAME = re.compile(r'("#/components/\w+/|"operationId": ")([\w.-]+)')  # of a component or operation
MAX_AGE = 10.0  # seconds until the services are asked again
FETCH_TIMEOUT = 2.0


class Documents:
    """The merged document, of each service's newest copy: one that is down keeps its last."""

    def __init__(self, client: httpx.AsyncClient, table: Routes) -> None:
        self._client = client
        self._table = table
        self._copies: dict[str, Document] = {name: {"paths": {}} for name in table.upstreams}
        self._merged: Document = {}
        self._expires_at = float("-inf")
        self._lock = asyncio.Lock()

    async def current(self) -> Document:
        """Return the document, ten seconds old at most; its description tells who is down."""
        async with self._lock:
            if time.monotonic() > self._expires_at:
                notes = await asyncio.gather(*map(self._refresh, self._copies))
                self._merged = merge(self._copies, self._table.routes)
                self._merged["info"]["description"] += "".join(notes)
                self._expires_at = time.monotonic() + MAX_AGE
        return self._merged

    async def _refresh(self, service: str) -> str:
        """Fetch a service's document; return what to say of it if it gives none."""

        def keep(answer: bytes) -> None:
            copy = from_json(answer, allow_inf_nan=False)
            merge({service: copy}, self._table.routes)  # or else it is no better than none
            self._copies[service] = copy

        url = f"{self._table.upstreams[service].url}/openapi.json"
        if await fetch(self._client, url, FETCH_TIMEOUT, keep):
            return ""
        return f"\n\n**{service} does not answer: its routes are missing or may have changed.**"


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
