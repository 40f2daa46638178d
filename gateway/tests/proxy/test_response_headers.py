"""Response fields keep order, repeats and bytes: RFC 9110, sections 5.2 and 5.3."""

from support.gateway import Pair
from support.wire import Answer, reply

# The fields that the gateway adds to a response, without those of rate limits.
OWN = {
    b"x-request-id",
    b"x-content-type-options",
    b"x-frame-options",
    b"referrer-policy",
    b"cross-origin-resource-policy",
    b"content-security-policy",
}
RESPONSE_FIELDS = [
    (b"set-cookie", b"a=1; Path=/"),
    (b"x-b", b"1"),
    (b"set-cookie", b"b=2; HttpOnly"),
    (b"link", b'</posts?after=2>; rel="next"'),
    (b"x-latin", b"\xe4\xf6"),
    (b"x-empty", b""),
    (b"vary", b"Accept"),
    (b"vary", b"Origin"),
    (b"date", b"Sun, 06 Nov 1994 08:49:37 GMT"),
    (b"etag", b'W/"x"'),
    (b"www-authenticate", b"Basic"),
    (b"www-authenticate", b"Bearer"),
]


def passed(answer: Answer) -> list[tuple[bytes, bytes]]:
    """The fields of a response that are not the gateway's own."""
    return [field for field in answer.headers if field[0] not in OWN]


def test_response_fields_keep_their_order_repeats_and_bytes(pair: Pair) -> None:
    gateway, raw = pair
    raw.reply = reply(*(b"%b: %b" % field for field in RESPONSE_FIELDS))
    answer = gateway.get("/posts")
    assert passed(answer) == [
        *RESPONSE_FIELDS,
        (b"content-length", b"2"),
        (b"connection", b"close"),
    ]


def test_server_is_removed_and_date_appears_once(pair: Pair) -> None:
    gateway, raw = pair
    raw.reply = reply(b"Server: secret/1.0", b"Date: Sun, 06 Nov 1994 08:49:37 GMT")
    answer = gateway.get("/posts")
    assert answer.all(b"server") == []
    assert answer.all(b"date") == [b"Sun, 06 Nov 1994 08:49:37 GMT"]


def test_a_missing_date_is_added_once(pair: Pair) -> None:
    """RFC 9110, section 6.6.1."""
    gateway, _ = pair
    assert len(gateway.get("/posts").all(b"date")) == 1
