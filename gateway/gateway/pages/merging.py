"""Merging the OpenAPI documents of all services into one."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chassis import __version__
from chassis.openapi import add_problems, problem_components
from gateway.http1 import METHODS
from gateway.routes import Route, matcher

Document = dict[str, Any]

FRAME = Path(__file__).with_name("openapi.json").read_text("utf-8")
SIGNED_IN: Document = {"signed-in": []}
# What the gateway answers itself, besides what is described as any other error.
PROBLEMS = (429, 502, 503, 504)
# The use of a component, named with its section, or the name of an operation.
NAME = re.compile(r'("#/components/|"operationId": ")((?:\w+/)?[\w.-]+)')


def merge(documents: Mapping[str, Document], routes: Sequence[Route]) -> Document:
    """Return one document of the services' paths that have a route.

    A name that stands for several things gets its service's name in front. One sign-in for all
    services and the gateway's errors are added.
    """
    merged: Document = json.loads(FRAME)
    merged["info"]["version"] = __version__
    merged["components"].update(problem_components())
    ambiguous = _ambiguous_names({"": merged, **documents})
    find = matcher(routes)
    for service, document in documents.items():
        copy = _renamed(document, {name: _prefixed(name, service) for name in ambiguous})
        for section, entries in copy["components"].items():
            merged["components"].setdefault(section, {}).update(entries)
        for path, item in copy["paths"].items():
            route = find(path.encode())
            if route and route.upstream == service:
                _complete(item)
                merged["paths"][path] = item
        known = {tag["name"] for tag in merged["tags"]}
        merged["tags"] += [tag for tag in copy.get("tags", []) if tag["name"] not in known]
    return merged


def _ambiguous_names(documents: Mapping[str, Document]) -> set[str]:
    """Return the names with several meanings, also where these only differ in what they use."""
    meanings: dict[str, list[str]] = defaultdict(list)
    for service, document in documents.items():
        for name, meaning in _meanings(service, document):
            meanings[name].append(meaning)
    shared = {name: texts for name, texts in meanings.items() if len(texts) > 1}
    ambiguous = {name for name, texts in shared.items() if len(set(texts)) > 1}
    while (
        more := {name for name, (text, *_) in shared.items() if _used(text) & ambiguous} - ambiguous
    ):
        ambiguous |= more
    return ambiguous


def _meanings(service: str, document: Document) -> Iterator[tuple[str, str]]:
    """Yield each component with its definition, and each operation's name with its service."""
    for section, entries in document.get("components", {}).items():
        for name, content in entries.items():
            yield f"{section}/{name}", json.dumps(content, sort_keys=True)
    for kind, name in NAME.findall(json.dumps(document)):
        if "operationId" in kind:
            yield name, service


def _used(text: str) -> set[str]:
    return {name for _, name in NAME.findall(text)}


def _prefixed(name: str, service: str) -> str:
    section, slash, bare = name.rpartition("/")
    return f"{section}{slash}{service}.{bare}"


def _renamed(document: Document, names: Mapping[str, str]) -> Document:
    """Return a copy with other names and without the service's own way to sign in."""
    written = json.dumps(document, allow_nan=False)
    text = NAME.sub(lambda use: use[1] + names.get(use[2], use[2]), written)
    copy: Document = json.loads(text)
    copy["components"] = {
        section: {
            _bare(names.get(f"{section}/{name}", name)): content
            for name, content in entries.items()
        }
        for section, entries in copy.get("components", {}).items()
        if section != "securitySchemes"
    }
    return copy


def _bare(name: str) -> str:
    return name.rpartition("/")[2]


def _complete(item: Document) -> None:
    """Add the one sign-in and the gateway's errors to each operation of a path."""
    for method in [it for it in item if it.upper() in METHODS]:
        operation = item[method]
        required = operation.get("security", [])
        operation["security"] = [SIGNED_IN if one else {} for one in required]
        add_problems(operation, PROBLEMS)
