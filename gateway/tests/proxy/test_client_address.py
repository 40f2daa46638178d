"""The walk along the addresses to the client, and the element that is added: RFC 7239, section 4.

All without a socket.
"""

from ipaddress import ip_network

import pytest

from gateway.proxy.forwarded import Networks, source_of

TRUSTED = Networks([ip_network("10.0.0.0/8"), ip_network("::1/128")])

WALKS = [
    ("no proxy", "192.0.2.1", [], "192.0.2.1", "192.0.2.1"),
    ("a stranger's word", "192.0.2.1", [b"6.6.6.6"], "192.0.2.1", "192.0.2.1"),
    ("a proxy's word", "10.0.0.1", [b"6.6.6.6"], "6.6.6.6", "6.6.6.6, 10.0.0.1"),
    (
        "only the last word of a stranger",
        "10.0.0.1",
        [b"7.7.7.7, 6.6.6.6"],
        "6.6.6.6",
        "6.6.6.6, 10.0.0.1",
    ),
    (
        "several proxies",
        "10.0.0.1",
        [b"6.6.6.6, 10.0.0.3", b"10.0.0.2"],
        "6.6.6.6",
        "6.6.6.6, 10.0.0.3, 10.0.0.2, 10.0.0.1",
    ),
    ("nothing but proxies", "10.0.0.1", [b"10.0.0.2"], "10.0.0.1", "10.0.0.1"),
    ("a proxy that says nothing", "10.0.0.1", [], "10.0.0.1", "10.0.0.1"),
    ("a word that is no address", "10.0.0.1", [b"unknown"], "10.0.0.1", "10.0.0.1"),
    (
        "no address behind an address",
        "10.0.0.1",
        [b"6.6.6.6, x"],
        "10.0.0.1",
        "10.0.0.1",
    ),
    ("IPv6", "::1", [b"2001:DB8::0:1"], "2001:db8::1", "2001:db8::1, ::1"),
    ("no address at all, as of a unix socket", "", [b"6.6.6.6"], "", ""),
    (
        "an address with a port",
        "10.0.0.1",
        [b"6.6.6.6:50000"],
        "6.6.6.6",
        "6.6.6.6, 10.0.0.1",
    ),
    ("IPv6 in brackets", "::1", [b"[2001:db8::2]"], "2001:db8::2", "2001:db8::2, ::1"),
    (
        "IPv6 with a port",
        "::1",
        [b"[2001:db8::2]:50000"],
        "2001:db8::2",
        "2001:db8::2, ::1",
    ),
    ("IPv4 in IPv6", "::1", [b"::ffff:6.6.6.6"], "6.6.6.6", "6.6.6.6, ::1"),
    (
        "a proxy at a socket for both",
        "::ffff:10.0.0.1",
        [b"6.6.6.6"],
        "6.6.6.6",
        "6.6.6.6, 10.0.0.1",
    ),
    ("a client at such a socket", "::ffff:192.0.2.1", [b"6.6.6.6"], "192.0.2.1", "192.0.2.1"),
    (
        "a proxy with a port",
        "10.0.0.1",
        [b"6.6.6.6, 10.0.0.2:99"],
        "6.6.6.6",
        "6.6.6.6, 10.0.0.2:99, 10.0.0.1",
    ),
    ("a port that is none", "10.0.0.1", [b"6.6.6.6:x"], "10.0.0.1", "10.0.0.1"),
    ("an empty member", "10.0.0.1", [b"6.6.6.6, ", b""], "6.6.6.6", "6.6.6.6, 10.0.0.1"),
]


@pytest.mark.parametrize(
    ("peer", "sent", "client", "chain"), [row[1:] for row in WALKS], ids=[row[0] for row in WALKS]
)
def test_the_client_is_the_last_address_that_is_not_a_trusted_proxy(
    peer: str, sent: list[bytes], client: str, chain: str
) -> None:
    found = source_of([(b"x-forwarded-for", it) for it in sent], peer, "http", TRUSTED)
    assert found.client == client
    assert dict(found.fields)[b"x-forwarded-for"] == chain.encode()


FORWARDED = [
    ("a client", [b"for=6.6.6.6"], "6.6.6.6"),
    ("several parameters", [b"by=10.0.0.1;For=6.6.6.6;Proto=https"], "6.6.6.6"),
    ("a client with a port", [b'for="6.6.6.6:50000"'], "6.6.6.6"),
    ("IPv6", [b'for="[2001:db8::2]"'], "2001:db8::2"),
    ("IPv6 with a port", [b'for="[2001:db8::2]:50000"'], "2001:db8::2"),
    ("IPv6 with a hidden port", [b'for="[2001:db8::2]:_x"'], "2001:db8::2"),
    ("IPv4 in IPv6", [b'for="[::ffff:6.6.6.6]"'], "6.6.6.6"),
    ("several proxies", [b"for=6.6.6.6, for=10.0.0.3", b"for=10.0.0.2"], "6.6.6.6"),
    ("only the last word of a stranger", [b"for=7.7.7.7, for=6.6.6.6"], "6.6.6.6"),
    ("escapes and commas in a string", [b'x="a\\",b;c";for=6.6.6.6'], "6.6.6.6"),
    ("empty elements", [b", for=6.6.6.6;, ,"], "6.6.6.6"),
    ("a client that is not known", [b"for=unknown"], "10.0.0.1"),
    ("a client that is hidden", [b"for=_hidden"], "10.0.0.1"),
    ("nothing but proxies", [b"for=10.0.0.2"], "10.0.0.1"),
    ("no client", [b"proto=https"], "10.0.0.1"),
    ("a string without an end", [b'for="6.6.6.6'], "10.0.0.1"),
    ("no pair", [b"6.6.6.6"], "10.0.0.1"),
    (
        "a string of a stranger that swallows the rest",
        [b'for=7.7.7.7, for="', b"for=6.6.6.6"],
        "6.6.6.6",
    ),
    ("more than is read", [b"for=7.7.7.7, " * 500 + b"for=6.6.6.6"], "10.0.0.1"),
]


@pytest.mark.parametrize(
    ("sent", "client"), [row[1:] for row in FORWARDED], ids=[row[0] for row in FORWARDED]
)
def test_forwarded_alone_names_the_client(sent: list[bytes], client: str) -> None:
    """RFC 7239, sections 4 to 6."""
    found = source_of([(b"forwarded", it) for it in sent], "10.0.0.1", "http", TRUSTED)
    assert (found.client, found.is_disputed) == (client, False)
    own = b"for=10.0.0.1;proto=http"
    assert dict(found.fields)[b"forwarded"] == b", ".join([*sent, own])


BOTH = [
    ("6.6.6.6", b"6.6.6.6", b"for=6.6.6.6", False),
    ("6.6.6.6", b"7.7.7.7, 6.6.6.6:80", b'for="[::ffff:6.6.6.6]:81"', False),
    ("6.6.6.6", b"6.6.6.6, 10.0.0.2", b"for=10.0.0.2", False),
    ("6.6.6.6", b"10.0.0.2", b"for=6.6.6.6", False),
    ("6.6.6.6", b"6.6.6.6", b"proto=https", False),
    ("10.0.0.1", b"6.6.6.6", b"for=7.7.7.7", True),
    ("10.0.0.1", b"6.6.6.6", b"for=_hidden", True),
    ("10.0.0.1", b"6.6.6.6", b"for=", True),
    ("10.0.0.1", b"unknown", b"for=6.6.6.6", True),
]


@pytest.mark.parametrize(("client", "x_forwarded_for", "forwarded", "is_disputed"), BOTH)
def test_fields_that_name_different_clients_are_not_believed(
    client: str, x_forwarded_for: bytes, forwarded: bytes, is_disputed: bool
) -> None:
    """A client may have sent the one that its proxy does not write."""
    sent = [(b"x-forwarded-for", x_forwarded_for), (b"forwarded", forwarded)]
    found = source_of(sent, "10.0.0.1", "http", TRUSTED)
    assert (found.client, found.is_disputed) == (client, is_disputed)
    told = dict(found.fields)
    if is_disputed:
        assert told[b"x-forwarded-for"] == b"10.0.0.1"
        assert told[b"forwarded"] == b"for=10.0.0.1;proto=http"
    else:
        assert told[b"x-forwarded-for"].startswith(b"6.6.6.6, 10.0.0.")
        assert told[b"forwarded"].startswith(forwarded)


OUTER = [
    ([b"https"], [b"a"], [], b"https", b"a"),
    ([], [], [b"for=6.6.6.6;proto=HTTPS;host=a"], b"https", b"a"),
    ([], [], [b"proto=https;host=a"], b"https", b"a"),
    (
        [],
        [],
        [b'for=6.6.6.6;proto=https;host="a:1", for=10.0.0.2;proto=http;host=b'],
        b"https",
        b"a:1",
    ),
    ([b"https"], [b"a"], [b"for=6.6.6.6;proto=https;host=a"], b"https", b"a"),
    ([b"http, https"], [b"b, a"], [], b"https", b"a"),
    ([b"https"], [b"a"], [b"for=6.6.6.6;proto=http;host=b"], b"http", b"inner"),
    ([b"gopher"], [], [], b"http", b"inner"),
    ([], [], [], b"http", b"inner"),
]


@pytest.mark.parametrize(("protos", "hosts", "forwarded", "proto", "host"), OUTER)
def test_the_outer_scheme_and_host_are_those_that_a_trusted_proxy_reports(
    protos: list[bytes], hosts: list[bytes], forwarded: list[bytes], proto: bytes, host: bytes
) -> None:
    sent = [(b"host", b"inner")]
    sent += [(b"x-forwarded-proto", it) for it in protos]
    sent += [(b"x-forwarded-host", it) for it in hosts]
    sent += [(b"forwarded", it) for it in forwarded]
    told = dict(source_of(sent, "10.0.0.1", "http", TRUSTED).fields)
    assert (told[b"x-forwarded-proto"], told[b"x-forwarded-host"]) == (proto, host)


def test_without_trusted_proxies_no_word_is_believed() -> None:
    sent = [(b"x-forwarded-for", b"6.6.6.6"), (b"forwarded", b"for=6.6.6.6")]
    found = source_of(sent, "127.0.0.1", "http", Networks())
    assert found.client == "127.0.0.1"
    assert dict(found.fields)[b"x-forwarded-for"] == b"127.0.0.1"


ELEMENTS = [
    ("192.0.2.1", b"a.example", b"for=192.0.2.1;host=a.example;proto=http"),
    ("192.0.2.1", b"a.example:80", b'for=192.0.2.1;host="a.example:80";proto=http'),
    ("192.0.2.1", b"[::1]:80", b'for=192.0.2.1;host="[::1]:80";proto=http'),
    ("192.0.2.1", b"a=b", b'for=192.0.2.1;host="a=b";proto=http'),
    ("2001:db8::1", b"a", b'for="[2001:db8::1]";host=a;proto=http'),
    ("192.0.2.1", b"", b"for=192.0.2.1;proto=http"),
    ("", b"a", b"host=a;proto=http"),
]


@pytest.mark.parametrize(("peer", "host", "element"), ELEMENTS)
def test_a_value_that_is_no_token_is_quoted(peer: str, host: bytes, element: bytes) -> None:
    found = source_of([(b"host", host)], peer, "http", Networks())
    assert dict(found.fields)[b"forwarded"] == element
