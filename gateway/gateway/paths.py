"""Which route a path belongs to, and which paths belong to none."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import unquote_to_bytes

T = TypeVar("T")

# How UTF-8 must not, but careless decoders do, spell a dot and the slashes.
OVERLONG = ((b"\xc0\xae", b"."), (b"\xc0\xaf", b"/"), (b"\xc1\x9c", b"\\"))


def is_unsafe(raw_path: bytes) -> bool:
    """Tell whether a path could mean another path to someone: RFC 3986, section 5.2.4.

    Dot segments in any encoding, encoded twice too, backslashes, NUL, and fragments.
    """
    path = raw_path
    while b"%" in path and (decoded := unquote_to_bytes(path)) != path:
        path = decoded
    for encoded, meant in OVERLONG:
        path = path.replace(encoded, meant)
    if b"\\" in path or b"\0" in path or b"#" in raw_path:
        return True
    return any(segment.split(b";")[0] in (b".", b"..") for segment in path.split(b"/"))


def matcher(routes: Sequence[tuple[str, T]]) -> Callable[[bytes], T | None]:
    """Return a function that finds the longest prefix of whole segments of a raw path."""
    longest_first = sorted(routes, key=lambda route: -len(route[0]))
    table = [(prefix.encode() + b"/", route) for prefix, route in longest_first]

    def match(raw_path: bytes) -> T | None:
        path = raw_path + b"/"
        return next((route for prefix, route in table if path.startswith(prefix)), None)

    return match
