"""Every status and body passes as it is."""

import gzip

import pytest
from support.gateway import Pair
from support.wire import reply


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("length", [b"Content-Length: 5\r\n", b""])
def test_204_and_304_have_no_body(pair: Pair, status: bytes, length: bytes) -> None:
    """RFC 9110, sections 8.6, 15.3.5 and 15.4.5."""
    gateway, raw = pair
    raw.reply = b"HTTP/1.1 " + status + b"\r\n" + length + b"\r\n"
    answer = gateway.get("/posts")
    assert answer.body == b""
    assert answer.all(b"transfer-encoding") == []
    kept = [b"5"] if length and status.startswith(b"304") else []
    assert answer.all(b"content-length") == kept


@pytest.mark.parametrize("status", [200, 201, 206, 301, 307, 400, 404, 418, 429, 500, 503, 599])
def test_every_status_passes_with_its_body(pair: Pair, status: int) -> None:
    gateway, raw = pair
    raw.reply = reply(b"Location: /posts/7", body=b"as it is", status=b"%d X" % status)
    answer = gateway.get("/posts")
    assert (answer.status, answer.body) == (status, b"as it is")
    assert answer.all(b"location") == [b"/posts/7"]


def test_ranges_gzip_and_binary_bodies_are_untouched(pair: Pair) -> None:
    """RFC 9110, sections 8.4 and 14."""
    gateway, raw = pair
    body = gzip.compress(bytes(range(256)) * 99)
    lines = (b"Content-Encoding: gzip", b"Content-Range: bytes 0-9/99", b"Accept-Ranges: bytes")
    raw.reply = reply(*lines, body=body, status=b"206 Partial Content")
    answer = gateway.get("/posts", b"Range: bytes=0-9", b"Accept-Encoding: br", b"If-Range: x")
    assert (answer.status, answer.body) == (206, body)
    assert answer.all(b"content-encoding") == [b"gzip"]
    assert raw.all(b"range") == [b"bytes=0-9"]
    assert raw.all(b"accept-encoding") == [b"br"]
