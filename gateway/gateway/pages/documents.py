"""The OpenAPI documents of all services, merged into one."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from chassis import __version__
from gateway.fetch import fetch_from_each
from gateway.http1 import METHODS
from gateway.routes import Route, Routes, matcher

Document = dict[str, Any]

FRAME = Path(__file__).with_name("openapi.json").read_text("utf-8")
SIGNED_IN: Document = {"signed-in": []}
PROBLEM = {"$ref": "#/components/responses/Problem"}
NAME = re.compile(r'("#/components/\w+/|"operationId": ")([\w.-]+)')  # of a component or operation


class Documents:
    """The last valid document of each service."""

    def __init__(self, routes: Routes) -> None:
        self._upstreams = routes.upstreams
        self._routes = routes.routes
        self._copies: dict[str, Document] = {name: {"paths": {}} for name in routes.upstreams}

    async def fetch_and_merge(self) -> Document:
        """Return one document of all services. Its description names those that are down."""
        statuses = await fetch_from_each(self._upstreams, "openapi.json", self._keep)
        merged = merge(self._copies, self._routes)
        for name in [name for name, status in statuses.items() if status == "down"]:
            note = f"**{name} does not answer: its routes are missing or may have changed.**"
            merged["info"]["description"] += f"\n\n{note}"
        return merged

    def _keep(self, service: str, body: bytes) -> None:
        copy = from_json(body, allow_inf_nan=False)
        merge({service: copy}, self._routes)  # raises if the document is invalid
        self._copies[service] = copy


def merge(documents: Mapping[str, Document], routes: Sequence[Route]) -> Document:
    """Return one document of the services' paths that have a route.

    A name that several services use gets its service's name in front. The gateway's sign-in, its
    rule for writes and the schema of its errors are added.
    """
    merged: Document = json.loads(FRAME)
    merged["info"]["version"] = __version__
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
    """Return a copy with other names and without the service's own way to sign in."""
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
    """Add the gateway's rule for writes and the schema of errors to each operation of a path."""
    for method in [it for it in item if it.upper() in METHODS]:
        operation = item[method]
        needs_token = route.needs_token(method.upper())
        required = [SIGNED_IN] if needs_token else operation.get("security", [])
        operation["security"] = [SIGNED_IN if one else {} for one in required]
        operation.setdefault("responses", {}).update({"4XX": PROBLEM, "5XX": PROBLEM})
