"""The source of a request, by Forwarded (RFC 7239) and the older X-Forwarded fields."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import takewhile
from typing import NamedTuple

from gateway.http1 import Header, Headers, values

NAMES = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"x-real-ip")
TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
IS_TOKEN = re.compile(TOKEN.encode())
# Section 4: a pair, or nothing, and what ends it. No part can match in two ways.
PAIR = re.compile(rf'[ \t]*(?:({TOKEN})=(?:({TOKEN})|"((?:[^"\\]|\\.)*)")[ \t]*)?([;,]|\Z)')
ESCAPED = re.compile(r"\\(.)")
# Section 6: an address, in brackets if it is IPv6, and perhaps a port.
NODE = re.compile(r'"?(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"?')
LONGEST_NODE = 64  # characters; a client may send any text
MAX_FORWARDED = 4_096  # characters of a field that are parsed
SCHEMES = ("http", "https")
UNKNOWN = "unknown"  # section 6.2


class Networks(tuple[IPv4Network | IPv6Network, ...]):
    """Networks, compared by identity: a key of caches, for which each would be slow to hash."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class Hop(NamedTuple):
    """A proxy's statement about the hop before it. A member that it does not name is empty."""

    node: str = ""
    proto: str = ""
    host: str = ""


class Source(NamedTuple):
    """The client of a request, the URL that it asked for, and the fields that say so upstream."""

    client: str  # its address
    scheme: str  # of the URL, like the host
    host: str
    fields: Headers
    is_disputed: bool  # Forwarded and X-Forwarded-For name different clients


def source_of(headers: Headers, peer: str, scheme: str, networks: Networks) -> Source:
    """Return the source of a request. The networks are those of trusted proxies.

    The fields of a trusted proxy are extended, those of anyone else replaced. X-Forwarded-For
    begins with the client, so that an upstream that reads the first address reads no forged one.
    """
    told: tuple[Header, ...] = ()
    if is_trusted(peer, networks):
        told = tuple(field for field in headers if field[0] in NAMES)
    return _source(peer, scheme, b"".join(values(headers, b"host")), networks, told)


def is_trusted(node: str, networks: Networks) -> bool:
    """Return whether a node has an address in one of the networks."""
    return bool(networks) and len(node) <= LONGEST_NODE and _is_in(node, networks)


@lru_cache(maxsize=10_000)
def _is_in(node: str, networks: Networks) -> bool:
    address = _address(node)
    return address is not None and any(address in network for network in networks)


@lru_cache(maxsize=128)  # for the next request of the same client; the list is never changed
def _source(
    peer: str, scheme: str, host: bytes, networks: Networks, told: Sequence[Header]
) -> Source:
    peer = str(_address(peer) or peer)
    nodes, elements = _members(told, b"x-forwarded-for"), values(told, b"forwarded")
    by_addresses = _farthest([Hop(node) for node in nodes], networks)
    farthest = _farthest([hop for field in elements for hop in _hops(field)], networks)
    clients = {_client(hop, networks) for hop in (by_addresses, farthest)} - {""}
    is_disputed = len(clients) > 1
    if is_disputed:  # the client itself may have sent one of the fields
        elements, farthest, clients = [], Hop(), set()
    client = "".join(clients - {UNKNOWN}) or peer
    proto = _agreed(scheme, farthest.proto, _last(told, b"x-forwarded-proto")).lower()
    outer_scheme = proto if proto in SCHEMES else scheme
    outer_host = _agreed(host.decode("latin-1"), farthest.host, _last(told, b"x-forwarded-host"))
    proxies = [*takewhile(lambda node: is_trusted(node, networks), reversed(nodes))][::-1]
    path = [peer] if client == peer else [client, *proxies, peer]
    fields = [
        (b"x-forwarded-for", ", ".join(path).encode("latin-1")),
        (b"x-forwarded-proto", outer_scheme.encode()),
        (b"x-forwarded-host", outer_host.encode("latin-1")),
        (b"forwarded", b", ".join(filter(None, (*elements, _element(peer, host, scheme))))),
        *[field for field in told if field[0] == b"x-real-ip"],
    ]
    return Source(client, outer_scheme, outer_host, fields, is_disputed)


def _members(fields: Sequence[Header], name: bytes) -> list[str]:
    listed = b",".join(values(fields, name)).decode("latin-1").split(",")
    members = (member.strip() for member in listed)
    return [member for member in members if member]


def _last(fields: Sequence[Header], name: bytes) -> str:
    return (_members(fields, name) or [""])[-1]


def _agreed(otherwise: str, *said: str) -> str:
    """Return the value that all name, or `otherwise`: of two values, a client may have sent one."""
    words = {word for word in said if word}
    return words.pop() if len(words) == 1 else otherwise


def _element(peer: str, host: bytes, scheme: str) -> bytes:
    """Return the element of Forwarded by which this gateway describes the hop before it."""
    node = b"[%b]" % peer.encode() if ":" in peer else peer.encode()
    pairs: list[Header] = [(b"for", node), (b"host", host), (b"proto", scheme.encode())]
    return b";".join(b"%b=%b" % (name, _quoted(value)) for name, value in pairs if value)


def _quoted(value: bytes) -> bytes:
    return value if IS_TOKEN.fullmatch(value) else b'"%b"' % value


def _hops(field: bytes) -> list[Hop]:
    """Return the elements of a Forwarded field, or one that is unknown if the field is invalid."""
    text, position, pairs, hops = field.decode("latin-1"), 0, dict[str, str](), list[Hop]()
    if len(text) > MAX_FORWARDED:
        return [Hop(UNKNOWN)]
    while position < len(text):
        found = PAIR.match(text, position)
        if not found:
            return [Hop(UNKNOWN)]
        position = found.end()
        if name := found[1]:
            pairs[name.lower()] = found[2] or ESCAPED.sub(r"\1", found[3])
        if pairs and (found[4] == "," or position == len(text)):
            hops.append(Hop(pairs.get("for", ""), pairs.get("proto", ""), pairs.get("host", "")))
            pairs = {}
    return hops


def _farthest(hops: Sequence[Hop], networks: Networks) -> Hop:
    """Return the farthest hop that a trusted proxy has described."""
    for hop in reversed(hops):
        if not is_trusted(hop.node, networks):
            return hop
    return hops[0] if hops else Hop()


def _client(hop: Hop, networks: Networks) -> str:
    """Return the address of a client, or "" if the hop has none or is a trusted proxy."""
    if not hop.node or is_trusted(hop.node, networks):
        return ""
    return str(_address(hop.node) or UNKNOWN)


def _address(node: str) -> IPv4Address | IPv6Address | None:
    found = NODE.fullmatch(node)
    try:
        address = ip_address((found[1] or found[2]) if found else node)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
