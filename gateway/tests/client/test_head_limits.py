"""Targets, header fields and trailers over the limits are refused with 414 or 431."""

from contextlib import suppress

import pytest
from support.gateway import Pair
from support.upstream import hang
from support.wire import PROBLEM, parse, read_all

TOO_LARGE = [
    (414, b"GET /" + b"x" * 8192 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    (414, b"GET /" + b"x" * 100_000),
    (431, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100 + b"\r\n"),
    (431, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 33_000 + b"\r\n\r\n"),
    (431, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 3_000_000),
    (431, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 300_000),
]


@pytest.mark.parametrize(("status", "data"), TOO_LARGE, ids=[str(s) for s, _ in TOO_LARGE])
def test_a_target_over_the_limit_is_414_and_a_head_is_431(
    pair: Pair, status: int, data: bytes
) -> None:
    """RFC 9110, section 15.5.15; RFC 6585, section 5."""
    gateway, _ = pair
    with gateway.connect() as sock:
        with suppress(ConnectionError):
            sock.sendall(data)
        answer = parse(read_all(sock))
    assert (answer.status, answer.all(b"content-type")) == (status, PROBLEM)


def test_a_head_just_within_the_limits_passes(pair: Pair) -> None:
    gateway, _ = pair
    assert gateway.get("/posts?" + "x" * 8185).status == 200
    assert gateway.get("/posts", *[b"X: y"] * 97).status == 200
    assert gateway.get("/posts", b"X: " + b"y" * 32_000).status == 200


def test_trailers_over_the_limit_are_431(pair: Pair) -> None:
    gateway, raw = pair
    raw.script = hang
    head = b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with gateway.connect() as sock:
        with suppress(ConnectionError):
            sock.sendall(head + b"X: y\r\n" * 500_000)
        assert parse(read_all(sock)).status == 431
