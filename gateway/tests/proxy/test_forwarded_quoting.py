"""The element of Forwarded, without a socket: RFC 7239, section 4."""

import pytest

from gateway.proxy.forwarded import Networks, source_of

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
