"""X-Forwarded-For, -Proto, -Host and Forwarded, from strangers and from trusted proxies."""

from support.gateway import Pair, Start
from support.upstream import RawUpstream


def test_forwarded_fields_of_a_stranger_are_replaced(pair: Pair) -> None:
    """RFC 7239, section 8.1."""
    gateway, raw = pair
    forged = (
        b"X-Forwarded-For: 6.6.6.6",
        b"X-Forwarded-For: 7.7.7.7",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: evil",
        b"Forwarded: for=6.6.6.6",
    )
    gateway.get("/posts", *forged)
    assert raw.all(b"x-forwarded-for") == [b"127.0.0.1"]
    assert raw.all(b"x-forwarded-proto") == [b"http"]
    assert raw.all(b"x-forwarded-host") == [b"inkwell"]
    assert raw.all(b"forwarded") == [b"for=127.0.0.1;host=inkwell;proto=http"]


def test_forwarded_fields_of_a_trusted_proxy_are_appended_to(
    gateway: Start, upstream: RawUpstream
) -> None:
    """RFC 7239, section 4."""
    running = gateway(upstream.url, trusted_proxies="127.0.0.0/8, ::1")
    running.send(
        b"GET /posts HTTP/1.1\r\nHost: a:80\r\nX-Forwarded-For: 6.6.6.6\r\n"
        b"X-Forwarded-For: 7.7.7.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n"
        b"Forwarded: for=7.7.7.7\r\nConnection: close\r\n\r\n"
    )
    assert upstream.all(b"x-forwarded-for") == [b"6.6.6.6, 7.7.7.7, 127.0.0.1"]
    assert upstream.all(b"x-forwarded-proto") == [b"https"]
    assert upstream.all(b"x-forwarded-host") == [b"b"]
    assert upstream.all(b"forwarded") == [b'for=7.7.7.7, for=127.0.0.1;host="a:80";proto=http']
    running.get("/posts")
    assert upstream.all(b"x-forwarded-proto") == [b"http"]
