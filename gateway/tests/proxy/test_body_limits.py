"""Bodies over the limit are refused with 413."""

from contextlib import suppress

import pytest
from support.gateway import Pair
from support.upstream import hang
from support.wire import PROBLEM, parse, read_all


def test_a_content_length_over_the_limit_is_413_before_the_body_comes(pair: Pair) -> None:
    """RFC 9110, section 15.5.14."""
    gateway, raw = pair
    head = (
        b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 2097153\r\nConnection: close\r\n\r\n"
    )
    answer = gateway.send(head)
    assert (answer.status, answer.all(b"content-type")) == (413, PROBLEM)
    assert raw.requests == []


@pytest.mark.parametrize("path", [b"/", b"/livez", b"/nothing"])
def test_a_content_length_over_the_limit_is_413_on_the_gateways_own_paths(
    pair: Pair, path: bytes
) -> None:
    head = b"GET %b HTTP/1.1\r\nHost: a\r\nContent-Length: 2097153\r\nConnection: close\r\n\r\n"
    assert pair[0].send(head % path).status == 413


def test_a_chunked_body_over_the_limit_is_413(pair: Pair) -> None:
    gateway, raw = pair
    raw.script = hang
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with gateway.connect() as sock:
        sock.sendall(b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            for _ in range(33):
                sock.sendall(chunk)
        assert parse(read_all(sock)).status == 413


def test_a_body_of_exactly_the_limit_passes(pair: Pair) -> None:
    gateway, raw = pair
    assert gateway.get("/users", method="POST", body=b"x" * 2 * 1024 * 1024).status == 200
    assert len(raw.requests[-1]) > 2 * 1024 * 1024
