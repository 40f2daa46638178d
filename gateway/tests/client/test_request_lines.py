"""Invalid request lines and Host fields are refused: RFC 9112, sections 3 and 3.2."""

import pytest
from support.gateway import Pair, Start
from support.logs import logged
from support.upstream import RawUpstream
from support.wire import PROBLEM

REFUSED_LINES: list[tuple[bytes, int]] = [
    (b"GET /posts HTTP/1.1\nHost: a\n", 400),
    (b"GET /posts\r\nHost: a\r\n", 400),
    (b"GET /posts HTTP/2.0\r\nHost: a\r\n", 505),
    (b"GET /posts HTTP/0.9\r\nHost: a\r\n", 400),
    (b"GET /posts HTTP/1.9\r\nHost: a\r\n", 400),
    (b"GET /posts http/1.1\r\nHost: a\r\n", 400),
    (b"GET /a b HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET /posts HTTP/1.1 \r\nHost: a\r\n", 400),
    (b"get /posts HTTP/1.1\r\nHost: a\r\n", 400),
    (b"NOPE /posts HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET posts HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET * HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET /posts\xff HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET /posts HTTP/1.1\r\n Host: a\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01", 400),
    # RFC 9112, section 3.2: Host
    (b"GET /posts HTTP/1.1\r\nX: a\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost:\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: a b\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: a,b\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: a/posts\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: u@a\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: a:b\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: [::1\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: \xff\r\n", 400),
    (b"GET http:///posts HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET http://a/posts HTTP/1.1\r\nHost: a b\r\n", 400),
    (b"GET http://a/posts HTTP/1.1\r\n", 400),
    (b"GET http://a,b/posts HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET ftp://a/posts HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET http://u@a/posts HTTP/1.1\r\nHost: a\r\n", 400),
    (b"POST /users HTTP/1.0\r\nTransfer-Encoding: chunked\r\nHost: a\r\n", 400),
]


@pytest.mark.parametrize(("head", "status"), REFUSED_LINES)
def test_an_invalid_request_is_refused_and_not_forwarded(
    pair: Pair, head: bytes, status: int
) -> None:
    gateway, raw = pair
    answer = gateway.send(head + b"\r\n")
    assert answer.status == status
    assert answer.all(b"content-type") == PROBLEM
    assert answer.all(b"connection") == [b"close"]
    assert len(answer.all(b"x-request-id")) == len(answer.all(b"date")) == 1
    assert raw.requests == []


BAD_HOST = b"%b /posts HTTP/1.1\r\nX-Request-ID: mine\r\nHost: a\r\nHost: b\r\n\r\n"


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
def test_a_refused_head_keeps_its_id_and_method(
    gateway: Start, upstream: RawUpstream, method: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    running = gateway(upstream.url)
    answer = running.send(BAD_HOST % method)
    assert (answer.status, answer.all(b"x-request-id")) == (400, [b"mine"])
    assert bool(answer.body) is (method != b"HEAD")
    assert logged(capfd, answer)["method"] == method.decode()


def test_a_head_without_fields_keeps_its_method(pair: Pair) -> None:
    gateway, _ = pair
    answer = gateway.send(b"HEAD /posts HTTP/1.1\r\n\r\n")
    assert (answer.status, answer.body) == (400, b"")


def test_bytes_that_are_no_request_line_are_logged_without_a_method(
    gateway: Start, upstream: RawUpstream, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = gateway(upstream.url).send(b"\x16\x03\x01\r\n")
    assert (answer.status, logged(capfd, answer)["method"]) == (400, "")
