"""Every response has the gateway's security fields, and no others."""

import pytest
from support.gateway import Pair


@pytest.mark.parametrize("path", ["/nope", "/posts/../x", "/livez", "/posts"])
def test_every_response_has_the_security_fields_and_one_request_id(pair: Pair, path: str) -> None:
    gateway, _ = pair
    answer = gateway.get(path)
    assert answer.all(b"x-content-type-options") == [b"nosniff"]
    assert answer.all(b"x-frame-options") == [b"DENY"]
    assert len(answer.all(b"content-security-policy")) == 1
    assert len(answer.all(b"x-request-id")) == len(answer.all(b"date")) == 1
    assert answer.all(b"server") == []


def test_the_upstreams_security_and_cors_fields_are_replaced(pair: Pair) -> None:
    gateway, raw = pair
    raw.reply = (
        b"HTTP/1.1 200 OK\r\nX-Frame-Options: ALLOWALL\r\nAccess-Control-Allow-Origin: *\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    answer = gateway.get("/posts", b"Origin: https://a.example")
    assert answer.all(b"x-frame-options") == [b"DENY"]
    assert answer.all(b"access-control-allow-origin") == []
