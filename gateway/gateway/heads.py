"""What is judged of a request's head before anything acts on it."""

import re
from urllib.parse import unquote_to_bytes

from gateway.headers import values
from gateway.problems import Headers, Problem

AUTHORITY = rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+;=-]+)(?::[0-9]{0,5})?"
HOST = re.compile(AUTHORITY)
ABSOLUTE = re.compile(rb"https?://(%b)([/?].*)?" % AUTHORITY, re.IGNORECASE)
MAX_DIGITS = 19  # of a length
DECODINGS = 3  # nobody behind decodes a path more often
# Controls, backslashes, the dot and the slashes in overlong UTF-8, and dot segments.
UNSAFE = re.compile(rb"[\x00-\x1f\x7f\\]|\xc0[\xae\xaf]|\xc1\x9c|/\.\.?(?![^/;])")


def check_fields(version: str, fields: Headers) -> None:
    """Refuse what could mean two things: RFC 9112, sections 2.5, 3.2, 6.1 and 6.3."""
    hosts = values(fields, b"host")
    codings = [value.lower() for value in values(fields, b"transfer-encoding")]
    if version not in ("1.1", "1.0"):  # 0.9 is what the parser calls a line without a version
        status = 400 if version == "0.9" else 505
        raise Problem(status, "This version of HTTP is not served here.")
    if codings and (codings != [b"chunked"] or version == "1.0"):
        raise Problem(400, "The framing of the request is ambiguous.")
    if any(len(value) > MAX_DIGITS for value in values(fields, b"content-length")):
        raise Problem(400, "The length of the request is no length.")
    if version == "1.0" and not hosts:
        fields.append((b"host", b""))
    elif len(hosts) != 1 or not HOST.fullmatch(hosts[0]):
        raise Problem(400, "There must be one Host field, and a well-formed one.")


def origin_form(method: str, target: bytes, fields: Headers) -> bytes:
    """Turn an absolute target into a path and a Host: RFC 9112, section 3.2."""
    if absolute := ABSOLUTE.fullmatch(target):
        fields[:] = [(n, absolute[1] if n == b"host" else v) for n, v in fields]
        rest = absolute[2] or b""
        target = rest if rest.startswith(b"/") else b"/" + rest
    is_other = method == "CONNECT" or (method == "OPTIONS" and target == b"*")
    if not (target.startswith(b"/") or is_other):
        raise Problem(400, "The request's target is malformed.")
    return target


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
