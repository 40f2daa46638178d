"""Request fields keep order, repeats and bytes: RFC 9110, sections 5.2 and 5.3."""

import pytest
from support.gateway import Pair
from support.wire import reply

ADDED_UPSTREAM = {
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"forwarded",
    b"traceparent",
    b"x-request-id",
}
REQUEST_FIELDS = [
    (b"x-a", b"1"),
    (b"x-b", b"two, three"),
    (b"x-a", b"2"),
    (b"cookie", b"a=1"),
    (b"cookie", b"b=2"),
    (b"x-latin", b"\xe4\xf6\xfc"),
    (b"x-empty", b""),
    (b"x-spaces", b"a  b\tc"),
    (b"authorization", b"Bearer x.y.z"),
    (b"x-quoted", b'"a\\"b, c"'),
]


def test_request_fields_keep_their_order_repeats_and_bytes(pair: Pair) -> None:
    gateway, raw = pair
    gateway.get("/posts", *(b"%b: %b" % field for field in REQUEST_FIELDS))
    assert [f for f in raw.headers if f[0] not in ADDED_UPSTREAM] == [
        (b"host", b"inkwell"),
        *REQUEST_FIELDS,
    ]


def test_only_the_documented_request_fields_are_added(pair: Pair) -> None:
    gateway, raw = pair
    gateway.get("/posts")
    assert {name for name, _ in raw.headers} == {b"host", *ADDED_UPSTREAM}


def test_no_cookie_of_one_client_reaches_the_request_of_another(pair: Pair) -> None:
    gateway, raw = pair
    raw.reply = reply(b"Set-Cookie: session=alice")
    gateway.get("/posts")
    gateway.get("/posts")
    assert raw.all(b"cookie") == []


@pytest.mark.parametrize("sent", [[], [b"Bearer x"], [b"Basic eA=="], [b"Bearer x", b"Bearer y"]])
def test_credentials_are_carried_and_not_judged(pair: Pair, sent: list[bytes]) -> None:
    """Each service judges them itself."""
    gateway, raw = pair
    fields = (b"Authorization: " + value for value in sent)
    assert gateway.get("/posts/1", *fields, method="DELETE").status == 200
    assert raw.all(b"authorization") == sent
