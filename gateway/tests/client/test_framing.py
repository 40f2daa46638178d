"""Bodies keep their framing, and ambiguous framing is refused: RFC 9112, sections 6 and 7."""

from typing import Any

import pytest
from support.gateway import Pair
from support.wire import PROBLEM


def test_a_body_keeps_its_content_length(pair: Pair) -> None:
    gateway, raw = pair
    body = bytes(range(256)) * 40
    gateway.get("/users", method="POST", body=body)
    assert raw.requests[-1].endswith(b"\r\n\r\n" + body)
    assert raw.all(b"content-length") == [b"%d" % len(body)]
    assert raw.all(b"transfer-encoding") == []


def test_a_chunked_body_stays_chunked_and_its_trailers_are_dropped(pair: Pair) -> None:
    gateway, raw = pair
    head = b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
    gateway.send(head + b"\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n")
    assert raw.all(b"transfer-encoding") == [b"chunked"]
    assert raw.all(b"content-length") == raw.all(b"x-trailer") == []
    assert raw.requests[-1].endswith(b"5\r\nabcde\r\n0\r\n\r\n")


def test_a_get_without_a_body_stays_without_one(pair: Pair) -> None:
    gateway, raw = pair
    gateway.get("/posts")
    assert raw.requests[-1].endswith(b"\r\n\r\n")
    assert raw.all(b"content-length") == raw.all(b"transfer-encoding") == []


def test_a_get_with_a_body_keeps_it(pair: Pair) -> None:
    gateway, raw = pair
    gateway.get("/users", body=b"abc")
    assert raw.requests[-1].endswith(b"\r\n\r\nabc")


def test_an_empty_body_keeps_its_content_length(pair: Pair) -> None:
    gateway, raw = pair
    gateway.get("/users", b"Content-Length: 0", method="POST")
    assert raw.all(b"content-length") == [b"0"]


REFUSED_FRAMING: list[tuple[str, bytes, int]] = [
    ("both", b"Content-Length: 3\r\nTransfer-Encoding: chunked", 400),
    ("both, other order", b"Transfer-Encoding: chunked\r\nContent-Length: 3", 400),
    ("two lengths", b"Content-Length: 3\r\nContent-Length: 4", 400),
    ("the same length twice", b"Content-Length: 3\r\nContent-Length: 3", 400),
    ("a list of lengths", b"Content-Length: 3, 3", 400),
    ("a signed length", b"Content-Length: +3", 400),
    ("a negative length", b"Content-Length: -3", 400),
    ("a hexadecimal length", b"Content-Length: 0x3", 400),
    ("an empty length", b"Content-Length:", 400),
    ("a huge length", b"Content-Length: 99999999999999999999999", 400),
    ("a length of many digits", b"Content-Length: " + b"0" * 5000 + b"3", 400),
    ("chunked twice", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
    ("chunked, chunked", b"Transfer-Encoding: chunked, chunked", 400),
    ("chunked not last", b"Transfer-Encoding: chunked, gzip", 400),
    ("identity", b"Transfer-Encoding: identity", 400),
    ("an unknown coding", b"Transfer-Encoding: xchunked", 400),
    ("gzip before chunked", b"Transfer-Encoding: gzip, chunked", 400),
    ("vertical tab", b"Transfer-Encoding: \x0bchunked", 400),
    ("space before the colon", b"Content-Length : 3", 400),
    ("a folded line", b"X: a\r\n b", 400),
    ("a bare carriage return", b"X: a\rb", 400),
    ("a bare line feed", b"X: a\nContent-Length: 3", 400),
    ("NUL in a value", b"X: a\0b", 400),
    ("an empty name", b": a", 400),
    ("a bad name", b"X(: a", 400),
]


@pytest.mark.parametrize(("what", "lines", "status"), REFUSED_FRAMING)
def test_ambiguous_framing_is_400_and_not_forwarded(
    pair: Pair, what: str, lines: bytes, status: int
) -> None:
    """RFC 9112, sections 5.1, 5.2, 6.1 and 6.3."""
    gateway, raw = pair
    answer = gateway.send(b"POST /users HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n\r\nabc")
    assert answer.status == status, what
    assert answer.all(b"content-type") == PROBLEM
    assert raw.requests == []


REFUSED_CHUNKS = [
    b"0x3\r\nabc",
    b" 3\r\nabc",
    b"3 \r\nabc",
    b"3\nabc\n",
    b"-3\r\nabc",
    b"\r\n",
    b"F" * 17,
]


@pytest.mark.parametrize("chunk", REFUSED_CHUNKS)
def test_a_malformed_chunk_is_400(pair: Pair, chunk: bytes) -> None:
    """RFC 9112, section 7.1."""
    gateway, raw = pair
    head = b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert gateway.send(head + chunk + b"\r\n0\r\n\r\n").status == 400
    assert raw.requests == []


@pytest.mark.parametrize("size", [0, 1, 65536, 1_000_000])
def test_bodies_of_every_framing_arrive_whole(pair: Pair, size: int) -> None:
    """RFC 9112, section 6.3: by length, in chunks, or to the end of the connection."""
    gateway, raw = pair
    body = b"x" * size

    def framed(index: int) -> bytes:
        chunk = b"%x\r\n%b\r\n" % (size, body) if size else b""
        return [
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, body),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n",
            b"HTTP/1.0 200 OK\r\n\r\n" + body,
        ][index]

    for index in range(3):

        def script(sock: Any, _: bytes, index: int = index) -> None:
            sock.sendall(framed(index))
            if index == 2:
                sock.close()

        raw.script = script
        assert gateway.get("/posts").body == body
