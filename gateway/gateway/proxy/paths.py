"""Paths that are refused because some software could read them as another path."""

import re
from urllib.parse import unquote_to_bytes

from gateway.problems import Problem

DECODINGS = 3  # nothing behind the gateway decodes a path more often
# Dot segments, whichever slash is between them, and a dot or a slash in overlong UTF-8.
DOT_SEGMENT = re.compile(rb"[/\\]\.\.?(?![^/\\;])|\xc0[\xae\xaf]|\xc1\x9c")
# Some routers overlook a line feed at the end, or take a backslash for a slash.
MISLEADING = re.compile(rb"[\x00-\x1f\x7f\\]")


def check_path(raw_path: bytes) -> None:
    """Raise a Problem if a path could mean another path to someone: RFC 3986, section 5.2.4.

    Dot segments, however often encoded, and fragments are 400. Backslashes and control characters
    are 404, since they may stand for an id, and what is no id is not found.
    """
    path = raw_path
    if b"%" in path:
        for _ in range(DECODINGS):
            path = unquote_to_bytes(path)
    is_still_encoded = b"%" in path and unquote_to_bytes(path) != path
    if is_still_encoded or b"#" in raw_path or DOT_SEGMENT.search(path):
        raise Problem(400, "The path has dot segments or other unsafe parts.")
    if MISLEADING.search(path):
        raise Problem(404, "Nothing is at this path.")
