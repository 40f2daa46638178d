"""The walk along the addresses to the client, without a socket: RFC 7239, section 4."""

from ipaddress import ip_network

import pytest

from gateway.proxy.forwarded import origin

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("::1/128"))

WALKS = [
    ("no proxy", "192.0.2.1", [], "192.0.2.1", "192.0.2.1"),
    ("a stranger's word", "192.0.2.1", [b"6.6.6.6"], "192.0.2.1", "192.0.2.1"),
    ("a proxy's word", "10.0.0.1", [b"6.6.6.6"], "6.6.6.6", "6.6.6.6, 10.0.0.1"),
    (
        "only the last word of a stranger",
        "10.0.0.1",
        [b"7.7.7.7, 6.6.6.6"],
        "6.6.6.6",
        "7.7.7.7, 6.6.6.6, 10.0.0.1",
    ),
    (
        "several proxies",
        "10.0.0.1",
        [b"6.6.6.6, 10.0.0.3", b"10.0.0.2"],
        "6.6.6.6",
        "6.6.6.6, 10.0.0.3, 10.0.0.2, 10.0.0.1",
    ),
    ("nothing but proxies", "10.0.0.1", [b"10.0.0.2"], "10.0.0.1", "10.0.0.2, 10.0.0.1"),
    ("a proxy that says nothing", "10.0.0.1", [], "10.0.0.1", "10.0.0.1"),
    ("a word that is no address", "10.0.0.1", [b"unknown"], "10.0.0.1", "unknown, 10.0.0.1"),
    (
        "no address behind an address",
        "10.0.0.1",
        [b"6.6.6.6, x"],
        "10.0.0.1",
        "6.6.6.6, x, 10.0.0.1",
    ),
    ("IPv6", "::1", [b"2001:DB8::0:1"], "2001:db8::1", "2001:DB8::0:1, ::1"),
    ("no address at all, as of a unix socket", "", [b"6.6.6.6"], "", ""),
]


@pytest.mark.parametrize(
    ("peer", "sent", "client", "chain"), [row[1:] for row in WALKS], ids=[row[0] for row in WALKS]
)
def test_the_client_is_the_last_address_that_is_not_a_trusted_proxy(
    peer: str, sent: list[bytes], client: str, chain: str
) -> None:
    found, fields = origin([(b"x-forwarded-for", it) for it in sent], peer, "http", TRUSTED)
    assert found == client
    assert dict(fields)[b"x-forwarded-for"] == chain.encode()


def test_without_trusted_proxies_no_word_is_believed() -> None:
    client, fields = origin([(b"x-forwarded-for", b"6.6.6.6")], "127.0.0.1", "http", ())
    assert client == "127.0.0.1"
    assert dict(fields)[b"x-forwarded-for"] == b"127.0.0.1"
