"""The syntax of HTTP/1.1 that both sides of the gateway share. Field names are in lower case."""

from collections.abc import Sequence

Header = tuple[bytes, bytes]
Headers = list[Header]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SAFE = frozenset(("GET", "HEAD", "OPTIONS"))  # RFC 9110, section 9.2.1
CLOSE = (b"connection", b"close")
FRAMING = frozenset((b"transfer-encoding", b"content-length"))


def values(fields: Sequence[Header], name: bytes) -> list[bytes]:
    """Return all values of a field, in order."""
    return [value for field, value in fields if field == name]


def codings(fields: Sequence[Header]) -> list[bytes]:
    """Return the transfer codings in lower case: RFC 9112, section 6.1."""
    return [value.lower() for value in values(fields, b"transfer-encoding")]


def field_lines(fields: Headers) -> bytes:
    """Return header fields as they go over a connection."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])


def chunk(data: bytes, *, is_last: bool) -> bytes:
    """Return data as a chunk, with the end of the body after the last: RFC 9112, section 7.1."""
    framed = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
    return framed + b"0\r\n\r\n" if is_last else framed
