"""Where a request comes from: Forwarded (RFC 7239) and the X-Forwarded fields before it."""

import re
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

from gateway.http1 import Headers, values

NAMES = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded")
TOKEN = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

Networks = tuple[IPv4Network | IPv6Network, ...]


def origin(headers: Headers, peer: str, scheme: str, trusted: Networks) -> tuple[str, Headers]:
    """Return the client's address and the fields that tell it to the upstream.

    The fields of a trusted proxy are extended, those of anyone else replaced.
    """
    sent = [b""] * len(NAMES)
    if trusted and peer and not _client(peer, trusted):
        sent = [b", ".join(values(headers, name)) for name in NAMES]
    return _origin(peer, scheme, b"".join(values(headers, b"host")), trusted, *sent)


@lru_cache(maxsize=128)  # for the next request of the same client; the list is never changed
def _origin(
    peer: str, scheme: str, host: bytes, trusted: Networks, *sent: bytes
) -> tuple[str, Headers]:
    addresses, proto, hosts, elements = sent
    node = b"[%b]" % peer.encode() if ":" in peer else peer.encode()
    pairs = ((b"for", node), (b"host", host), (b"proto", scheme.encode()))
    element = b";".join(b"%b=%b" % (name, _quoted(value)) for name, value in pairs if value)
    chain = ", ".join(filter(None, (addresses.decode("latin-1"), peer)))
    elements = b", ".join(filter(None, (elements, element)))
    fields = (chain.encode("latin-1"), proto or scheme.encode(), hosts or host, elements)
    return _client(chain, trusted) or peer, list(zip(NAMES, fields, strict=True))


def _quoted(value: bytes) -> bytes:
    return value if TOKEN.fullmatch(value) else b'"%b"' % value


def _client(chain: str, trusted: Networks) -> str | None:
    """Return the last address of a list that belongs to no trusted proxy, if it is valid."""
    for member in reversed(chain.split(",")):
        try:
            address = ip_address(member.strip())
        except ValueError:
            return None
        if not any(address in network for network in trusted):
            return str(address)
    return None
