"""Paths that are refused because some software could read them as another path."""

import re
from urllib.parse import unquote_to_bytes

DECODINGS = 3  # nothing behind the gateway decodes a path more often
# Control characters, backslashes, a dot or slash in overlong UTF-8, and dot segments.
UNSAFE = re.compile(rb"[\x00-\x1f\x7f\\]|\xc0[\xae\xaf]|\xc1\x9c|/\.\.?(?![^/;])")


def is_unsafe(raw_path: bytes) -> bool:
    """Return whether a path could mean another path to someone: RFC 3986, section 5.2.4.

    Unsafe are dot segments in any encoding, however often encoded, backslashes, control
    characters (some routers overlook a line feed at the end), and fragments.
    """
    path = raw_path
    if b"%" in path:
        for _ in range(DECODINGS):
            path = unquote_to_bytes(path)
        if unquote_to_bytes(path) != path:
            return True
    return b"#" in raw_path or UNSAFE.search(path) is not None
