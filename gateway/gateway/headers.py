"""What the gateway changes in header fields, which are raw lists with lower-case names."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from random import getrandbits

from gateway.config import METHODS
from gateway.problems import Headers

# RFC 9110, section 7.6.1, and what is only for the next hop or ends with it.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer"
    b" transfer-encoding upgrade".split()
)
FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded")
TRACE = (b"traceparent", b"tracestate")
# Written anew for each request; nothing else of the client's is touched.
SET_HERE = frozenset((*FORWARDED, *TRACE, b"x-request-id"))
# Connection cannot remove what frames the message or says where it comes from.
NEVER_NAMED = SET_HERE | {b"host", b"content-length", b"expect"}

SECURITY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
OWN = frozenset((b"server", b"x-request-id", b"ratelimit", b"ratelimit-policy"))
NOT_FROM_CLIENT = HOP_BY_HOP | SET_HERE
NOT_FROM_UPSTREAM = HOP_BY_HOP | OWN | {name for name, _ in SECURITY}

# What scripts may read beyond the standard's own list.
EXPOSED = b"Link, Location, RateLimit, Retry-After, X-Request-ID, X-Total-Count"
VARY = (b"vary", b"Origin")
PREFLIGHT: Headers = [
    (b"access-control-allow-methods", ", ".join(METHODS).encode()),
    (b"access-control-max-age", b"600"),
    (b"content-length", b"0"),
]

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# W3C Trace Context, section 3.2; later versions may have more behind the flags.
TRACEPARENT = re.compile(
    rb"(?!ff)(00|[0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}((?<!^00.{53})-.*)?"
)
# Section 3.3.1, a member of the list, which may be empty.
TRACESTATE = re.compile(
    rb"[ \t]*([a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~][ \t]*)?"
)
TOKEN = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

Networks = tuple[IPv4Network | IPv6Network, ...]


def values(headers: Headers, name: bytes) -> list[bytes]:
    """Return all values of a field, in order."""
    return [value for field, value in headers if field == name]


def lines(fields: Headers) -> bytes:
    """Write fields as they go over a connection."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])


def request_id(headers: Headers) -> bytes:
    """Return the client's id when it is one and well formed, else a new one."""
    sent = values(headers, b"x-request-id")
    is_good = len(sent) == 1 and REQUEST_ID.fullmatch(sent[0])
    return sent[0] if is_good else b"%032x" % getrandbits(128)


def outbound(headers: Headers) -> Headers:
    """Return what of the client's fields goes upstream as it came, repeats and order kept."""
    return _without(headers, NOT_FROM_CLIENT)


def inbound(headers: Headers) -> Headers:
    """Return what of the upstream's fields reaches the client."""
    kept = _without(headers, NOT_FROM_UPSTREAM)
    return [field for field in kept if not field[0].startswith(b"access-control-")]


def _without(headers: Headers, removed: frozenset[bytes]) -> Headers:
    """Remove these fields and those that Connection names."""
    for value in values(headers, b"connection"):
        removed |= {token.strip().lower() for token in value.split(b",")} - NEVER_NAMED
    return [field for field in headers if field[0] not in removed]


def trace(headers: Headers) -> Headers:
    """Return the client's trace context as far as it is valid, else the begin of a new one."""
    parents = values(headers, b"traceparent")
    if len(parents) == 1 and TRACEPARENT.fullmatch(parents[0]):
        members = b",".join(values(headers, b"tracestate")).split(b",")
        kept = TRACE if all(map(TRACESTATE.fullmatch, members)) else TRACE[:1]
        return [field for field in headers if field[0] in kept]
    return [(b"traceparent", b"00-%032x-%016x-01" % (getrandbits(128), getrandbits(64)))]


def origin(headers: Headers, peer: str, scheme: str, trusted: Networks) -> tuple[str, Headers]:
    """Return the client's address and the fields that tell it: RFC 7239 and its forerunners.

    What a trusted proxy says of it is appended to, what anyone else says replaced.
    """
    said = [b""] * len(FORWARDED)
    if trusted and peer and not _client(peer, trusted):
        said = [b", ".join(values(headers, name)) for name in FORWARDED]
    return _origin(peer, scheme, b"".join(values(headers, b"host")), trusted, *said)


@lru_cache(maxsize=128)  # for the next request of the same client; nobody changes the list
def _origin(
    peer: str, scheme: str, host: bytes, trusted: Networks, *said: bytes
) -> tuple[str, Headers]:
    addresses, proto, hosts, elements = said
    node = b"[%b]" % peer.encode() if ":" in peer else peer.encode()
    pairs = ((b"for", node), (b"host", host), (b"proto", scheme.encode()))
    element = b";".join(b"%b=%b" % (name, _quoted(value)) for name, value in pairs if value)
    chain = ", ".join(filter(None, (addresses.decode("latin-1"), peer)))
    forwarded = b", ".join(filter(None, (elements, element)))
    fields = (chain.encode("latin-1"), proto or scheme.encode(), hosts or host, forwarded)
    return _client(chain, trusted) or peer, list(zip(FORWARDED, fields, strict=True))


def _quoted(value: bytes) -> bytes:
    return value if TOKEN.fullmatch(value) else b'"%b"' % value


def _client(chain: str, trusted: Networks) -> str | None:
    """Return the last address of a list that is no trusted proxy's, if it is one at all."""
    for member in reversed(chain.split(",")):
        try:
            address = ip_address(member.strip())
        except ValueError:
            return None
        if not any(address in network for network in trusted):
            return str(address)
    return None


class Cors:
    """Grants the listed origins, or with "*" all, METHODS and every field: Fetch, section 3.3.

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
