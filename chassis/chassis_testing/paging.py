"""Following the links of a list."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx


def pages(
    client: httpx.Client, path: str, headers: Mapping[str, str] | None = None
) -> Iterator[httpx.Response]:
    """Yield the page at this path, and each that its links lead to."""
    seen = set()
    while path:
        assert path not in seen, f"the links lead in a circle: {path}"
        seen.add(path)
        page = client.get(path, headers=headers)
        assert page.is_success, page.text
        yield page
        path = page.links.get("next", {}).get("url", "")


def rows(
    client: httpx.Client, path: str, headers: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of the page at this path, and of all that its links lead to."""
    return [row for page in pages(client, path, headers) for row in page.json()]
