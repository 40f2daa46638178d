"""The header fields that a request keeps, loses or gains on its way, and those of a response."""

import re
from random import getrandbits

from gateway.http1 import Headers, values
from gateway.proxy import cors, forwarded

# RFC 9110, section 7.6.1, and fields that are for the next hop only.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer"
    b" transfer-encoding upgrade".split()
)
TRACE = (b"traceparent", b"tracestate")
# Set by the gateway for each request; no other field of the client is touched.
SET_HERE = frozenset((*forwarded.NAMES, *TRACE, b"x-request-id"))
# Connection cannot remove fields that frame the message, say where it comes from, or decide
# whether it may be sent twice.
NEVER_NAMED = SET_HERE | frozenset(b"host content-length expect idempotency-key if-match".split())

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

# W3C Trace Context, section 3.2. Later versions may have more after the flags.
IDS = rb"(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
TRACEPARENT = re.compile(rb"00-%b|(?!00|ff)[0-9a-f]{2}-%b(-.*)?" % (IDS, IDS))
# Section 3.3.1: a member of the list, which may be empty.
TRACESTATE = re.compile(
    rb"[ \t]*([a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~][ \t]*)?"
)


def for_upstream(headers: Headers) -> Headers:
    """Return the client's fields that the upstream gets, with their repeats and order."""
    return _without(headers, NOT_FROM_CLIENT)


def for_client(headers: Headers) -> Headers:
    """Return the upstream's fields that the client gets, with their repeats and order."""
    kept = _without(headers, NOT_FROM_UPSTREAM)
    return [field for field in kept if not field[0].startswith(cors.PREFIX)]


def _without(headers: Headers, removed: frozenset[bytes]) -> Headers:
    """Return the fields without these and without those that Connection names."""
    for value in values(headers, b"connection"):
        removed |= {token.strip().lower() for token in value.split(b",")} - NEVER_NAMED
    return [field for field in headers if field[0] not in removed]


def trace_context(headers: Headers) -> Headers:
    """Return the client's trace context as far as it is valid, or else a new one."""
    parents = values(headers, b"traceparent")
    if len(parents) == 1 and TRACEPARENT.fullmatch(parents[0]):
        members = b",".join(values(headers, b"tracestate")).split(b",")
        kept = TRACE if all(map(TRACESTATE.fullmatch, members)) else TRACE[:1]
        return [field for field in headers if field[0] in kept]
    return [(b"traceparent", b"00-%032x-%016x-01" % (getrandbits(128), getrandbits(64)))]
