"""Cross-origin requests of browsers (the Fetch standard, section 3.3).

Starlette's CORSMiddleware answers a preflight of an origin that is not listed by itself, in plain
text and before the rate limits. Here it goes to the service, like any other request.
"""

from collections.abc import Sequence

from gateway.http1 import METHODS, Headers, values

PREFIX = b"access-control-"
# Fields that scripts may read beyond the standard's own list.
EXPOSED = (
    b"ETag, Idempotent-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After,"
    b" X-Request-ID, X-Total-Count"
)
VARY = (b"vary", b"Origin")
PREFLIGHT: Headers = [
    (b"access-control-allow-methods", ", ".join(METHODS).encode()),
    (b"access-control-max-age", b"600"),
    (b"content-length", b"0"),
]


class Cors:
    """Grants METHODS and every header field to the listed origins, or to all if "*" is listed.

    A request for more is not refused here: the browser refuses it.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        exposed = (b"access-control-expose-headers", EXPOSED)
        self._granted: dict[bytes, Headers] = {
            origin: [(b"access-control-allow-origin", origin), exposed, VARY]
            for origin in map(str.encode, origins)
        }

    def fields(self, headers: Headers) -> Headers:
        """Return the fields of every answer to this request."""
        if not self._granted:
            return []
        return self._grant(headers) or [VARY]

    def preflight(self, method: str, headers: Headers) -> Headers | None:
        """Return the other fields of the answer if this is a preflight of a listed origin."""
        is_preflight = method == "OPTIONS" and values(headers, b"access-control-request-method")
        if not (is_preflight and self._grant(headers)):
            return None
        named = values(headers, b"access-control-request-headers")
        return [*PREFLIGHT, *[(b"access-control-allow-headers", names) for names in named]]

    def _grant(self, headers: Headers) -> Headers:
        """Return the fields that grant a request, or none if its origin is not listed."""
        origin = b"*" if b"*" in self._granted else b"".join(values(headers, b"origin"))
        return self._granted.get(origin, [])
