"""One X-Request-ID for a request and its response."""

import pytest
from support.gateway import Pair
from support.wire import reply


@pytest.mark.parametrize("sent_id", [b"abc", b"A-b.c_9", b"x" * 128])
def test_a_good_request_id_is_kept_both_ways(pair: Pair, sent_id: bytes) -> None:
    gateway, raw = pair
    raw.reply = reply(b"X-Request-ID: upstream-s", b"X-Request-ID: twice")
    answer = gateway.get("/posts", b"X-Request-ID: " + sent_id)
    assert raw.all(b"x-request-id") == answer.all(b"x-request-id") == [sent_id]


@pytest.mark.parametrize("bad", [b"", b"x" * 129, b"a b", b"a,b", b"\xe4", b"a\r\nX-Request-ID: b"])
def test_a_bad_request_id_is_replaced(pair: Pair, bad: bytes) -> None:
    gateway, raw = pair
    answer = gateway.get("/posts", b"X-Request-ID: " + bad)
    (new,) = answer.all(b"x-request-id")
    assert raw.all(b"x-request-id") == [new]
    assert len(new) == 32
