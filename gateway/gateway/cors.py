"""Which scripts of other origins may use the API: the Fetch standard, section 3.3."""

from collections.abc import Sequence

from gateway.config import METHODS
from gateway.headers import values
from gateway.problems import Headers

# What scripts may read beyond the standard's own list.
EXPOSED = b"Link, Location, RateLimit, Retry-After, X-Request-ID, X-Total-Count"
VARY = (b"vary", b"Origin")
PREFLIGHT: Headers = [
    (b"access-control-allow-methods", ", ".join(METHODS).encode()),
    (b"access-control-max-age", b"600"),
    (b"content-length", b"0"),
]


class Cors:
    """Grants the listed origins, or with "*" all, these methods and every field.

    What a preflight asks for beyond that is not granted; it is the browser that refuses then.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        exposed = (b"access-control-expose-headers", EXPOSED)
        self._granted: dict[bytes, Headers] = {
            origin: [(b"access-control-allow-origin", origin), exposed, VARY]
            for origin in map(str.encode, origins)
        }

    def fields(self, request: Headers) -> Headers:
        """Return what every answer to this request carries."""
        if not self._granted:
            return []
        origin = b"*" if b"*" in self._granted else b"".join(values(request, b"origin"))
        return self._granted.get(origin, [VARY])

    def preflight(self, method: str, request: Headers) -> Headers | None:
        """Return what else answers this request if it is a preflight of a listed origin."""
        is_asked = method == "OPTIONS" and values(request, b"access-control-request-method")
        if not is_asked or self.fields(request) in ([], [VARY]):
            return None
        named = values(request, b"access-control-request-headers")
        return [*PREFLIGHT, *[(b"access-control-allow-headers", names) for names in named]]
