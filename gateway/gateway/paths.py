"""Which route a path belongs to, and which paths belong to none."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import unquote_to_bytes

T = TypeVar("T")

DECODINGS = 3  # nobody behind decodes a path more often

# Controls, backslashes, the dot and the slashes in overlong UTF-8, and dot segments.
UNSAFE = re.compile(rb"[\x00-\x1f\x7f\\]|\xc0[\xae\xaf]|\xc1\x9c|/\.\.?(?![^/;])")


def is_unsafe(raw_path: bytes) -> bool:
    """Tell whether a path could mean another path to someone: RFC 3986, section 5.2.4.

    Dot segments in any encoding, encoded several times too, backslashes, control characters
    (some routers overlook a line feed at the end), and fragments.
    """
    path = raw_path
    if b"%" in path:
        for _ in range(DECODINGS):
            path = unquote_to_bytes(path)
        if unquote_to_bytes(path) != path:
            return True
    return b"#" in raw_path or UNSAFE.search(path) is not None


def matcher(routes: Sequence[tuple[str, T]]) -> Callable[[bytes], T | None]:
    """Return a function that finds the longest prefix of whole segments of a raw path."""
    longest_first = sorted(routes, key=lambda route: -len(route[0]))
    table = [(prefix.encode() + b"/", route) for prefix, route in longest_first]

    def match(raw_path: bytes) -> T | None:
        path = raw_path + b"/"
        return next((route for prefix, route in table if path.startswith(prefix)), None)

    return match
