"""Entity tags, and requests that depend on them (RFC 9110, sections 8.8.3 and 13).

A tag names a version: `"7"`. If something of another entity is shown too, a hash of it follows:
`"7-5f3a0c5b1d2e4f60"`. Tags are compared as text, so that one of any other form matches nothing.
"""

from hashlib import blake2b
from typing import Protocol, TypeVar

from fastapi import Response

from chassis.errors import ChangedError
from chassis.models import Versioned
from chassis.requests import StrictRequest

T = TypeVar("T", bound=Versioned)
ANY = ["*"]
CONTENT = {"content-length", "content-type"}  # which a 304 does not have


def entity_tag(version: int, *others: str | None) -> str:
    """Return the strong tag of a version, shown with these texts of other entities."""
    shown = [other for other in others if other is not None]
    if not shown:
        return f'"{version}"'
    digest = blake2b("\0".join(shown).encode(), digest_size=8).hexdigest()
    return f'"{version}-{digest}"'


class Check(Protocol):
    """`ConditionalRequest.check`, for functions that change an entity once they have locked it."""

    def __call__(self, version: int, *others: str | None) -> None:
        """Raise ChangedError unless the request's preconditions allow this version to change."""


class ConditionalRequest(StrictRequest):
    """A request for one entity, which may ask for a version of it.

    A route that takes it as a parameter has If-Match or If-None-Match in the OpenAPI document.
    """

    _tag: str | None = None

    def show(self, entity: T, *others: str | None) -> T:
        """Return the entity, and set its ETag on the answer.

        A client that has this version gets a 304.
        """
        self._tag = entity_tag(entity.version, *others)
        if self.method == "GET":
            self._check_if_match({self._tag})
        return entity

    def finish(self, answer: Response) -> Response:
        """Return the answer of the route with the ETag of what was shown, or the 304."""
        if self._tag is None:
            return answer
        if self.method == "GET" and self._knows({self._tag}):
            kept = {name: value for name, value in answer.headers.items() if name not in CONTENT}
            answer = Response(status_code=304, headers=kept)
        answer.headers["ETag"] = self._tag
        return answer

    def check(self, version: int, *others: str | None) -> None:
        """Raise ChangedError unless the request's preconditions allow this version to change.

        A client that was not signed in may have read it without the others.
        """
        tags = {entity_tag(version), entity_tag(version, *others)}
        self._check_if_match(tags)
        if self._knows(tags):
            raise ChangedError

    def _check_if_match(self, tags: set[str]) -> None:
        listed = self._listed("if-match")
        if listed is not None and listed != ANY and tags.isdisjoint(listed):
            raise ChangedError

    def _knows(self, tags: set[str]) -> bool:
        """Return whether If-None-Match has one of the tags, by weak comparison."""
        listed = self._listed("if-none-match") or []
        return listed == ANY or not tags.isdisjoint(one.removeprefix("W/") for one in listed)

    def _listed(self, name: str) -> list[str] | None:
        """Return the members of a list, or None without the field."""
        fields = self.headers.getlist(name)
        return [one.strip(" \t") for one in ",".join(fields).split(",")] if fields else None
