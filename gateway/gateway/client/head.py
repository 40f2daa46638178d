"""Checks of a request's head that come before anything acts on it."""

import re

from gateway.http1 import FRAMING, Headers, codings, values
from gateway.problems import Problem

AUTHORITY = rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+;=-]+)(?::[0-9]{0,5})?"
HOST = re.compile(AUTHORITY)
ABSOLUTE = re.compile(rb"https?://(%b)([/?].*)?" % AUTHORITY, re.IGNORECASE)
MAX_DIGITS = 19  # of a Content-Length


def check_fields(version: str, fields: Headers) -> None:
    """Raise a Problem if the head could be read in two ways: RFC 9112, sections 2.5, 3.2 and 6."""
    if version not in ("1.1", "1.0"):  # the parser reports 0.9 for a line without a version
        status = 400 if version == "0.9" else 505
        raise Problem(status, "This version of HTTP is not supported.")
    if not FRAMING.isdisjoint(dict(fields)):
        _check_framing(version, fields)
    hosts = values(fields, b"host")
    if version == "1.0" and not hosts:
        fields.append((b"host", b""))
    elif len(hosts) != 1 or not HOST.fullmatch(hosts[0]):
        raise Problem(400, "The request needs one valid Host field.")


def _check_framing(version: str, fields: Headers) -> None:
    named = codings(fields)
    if named and (named != [b"chunked"] or version == "1.0"):
        raise Problem(400, "The framing of the request is ambiguous.")
    if any(len(value) > MAX_DIGITS for value in values(fields, b"content-length")):
        raise Problem(400, "Content-Length is not a valid number.")


def origin_form(method: str, target: bytes, fields: Headers) -> bytes:
    """Return the path of a target; an absolute one also sets Host: RFC 9112, section 3.2."""
    if absolute := ABSOLUTE.fullmatch(target):
        fields[:] = [(n, absolute[1] if n == b"host" else v) for n, v in fields]
        rest = absolute[2] or b""
        target = rest if rest.startswith(b"/") else b"/" + rest
    is_other = method == "CONNECT" or (method == "OPTIONS" and target == b"*")
    if not (target.startswith(b"/") or is_other):
        raise Problem(400, "The request target is malformed.")
    return target
