"""Hop-by-hop fields, and those Connection names, are not forwarded: RFC 9110, section 7.6.1."""

import pytest
from support.gateway import Pair
from support.wire import reply

HOP_BY_HOP = [
    b"Keep-Alive: timeout=5",
    b"Proxy-Connection: keep-alive",
    b"Proxy-Authorization: Basic x",
    b"Proxy-Authenticate: Basic",
    b"TE: trailers",
    b"Trailer: X-Sum",
    b"Upgrade: h2c",
]


@pytest.mark.parametrize("field", HOP_BY_HOP)
def test_hop_by_hop_fields_do_not_reach_the_upstream(pair: Pair, field: bytes) -> None:
    gateway, raw = pair
    gateway.get("/posts", field)
    assert raw.all(field.partition(b":")[0].lower()) == []
    assert raw.all(b"connection") == []


@pytest.mark.parametrize("field", [f for f in HOP_BY_HOP if f != b"Upgrade: h2c"])
def test_hop_by_hop_fields_do_not_reach_the_client(pair: Pair, field: bytes) -> None:
    gateway, raw = pair
    raw.reply = reply(field)
    answer = gateway.get("/posts")
    assert answer.body == b"ok"
    assert answer.all(field.partition(b":")[0].lower()) == []


@pytest.mark.parametrize("connection", [b"x-named", b"keep-alive, X-Named", b"close,X-NAMED"])
def test_fields_named_by_connection_are_removed_both_ways(pair: Pair, connection: bytes) -> None:
    gateway, raw = pair
    raw.reply = reply(b"Connection: " + connection, b"X-Named: 1", b"X-Other: 2")
    answer = gateway.get("/posts", b"Connection: " + connection, b"X-Named: 1", b"X-Other: 2")
    assert (raw.all(b"x-named"), raw.all(b"x-other")) == ([], [b"2"])
    assert (answer.all(b"x-named"), answer.all(b"x-other")) == ([], [b"2"])


def test_connection_cannot_remove_framing_origin_or_what_makes_a_write_safe(pair: Pair) -> None:
    gateway, raw = pair
    raw.reply = reply(b"Connection: content-length")
    named = b"Connection: Content-Length, X-Forwarded-For, X-Request-ID, Host"
    safe = (b"Connection: Idempotency-Key, If-Match", b"Idempotency-Key: a", b'If-Match: "1"')
    answer = gateway.get("/users", named, *safe, b"X-Request-ID: kept", method="POST", body=b"abc")
    assert raw.all(b"idempotency-key") == [b"a"]
    assert raw.all(b"if-match") == [b'"1"']
    assert raw.all(b"content-length") == [b"3"]
    assert raw.all(b"x-forwarded-for") == [b"127.0.0.1"]
    assert raw.all(b"x-request-id") == [b"kept"]
    assert raw.all(b"host") == [b"inkwell"]
    assert answer.all(b"content-length") == [b"2"]
    assert answer.body == b"ok"


def test_an_upgrade_is_ignored_and_its_body_belongs_to_the_request(pair: Pair) -> None:
    """RFC 9110, section 7.8: a server may ignore Upgrade; the body is not a second request."""
    gateway, raw = pair
    smuggled = b"GET /posts/smuggled HTTP/1.1\r\nHost: inkwell\r\n\r\n"
    answer = gateway.get(
        "/users", b"Upgrade: h2c", b"Connection: upgrade", method="POST", body=smuggled
    )
    assert answer.status == 200
    assert len(raw.requests) == 1
    assert raw.requests[0].endswith(b"\r\n\r\n" + smuggled)
    assert raw.all(b"upgrade") == []
