"""Lost requests are repeated once, if that is safe."""

import socket

import pytest
from support.gateway import Pair, Start
from support.upstream import RawUpstream, send_and_close
from support.waiting import eventually
from support.wire import OK, read_body, read_head, upload


def stale(raw: RawUpstream, *, answer_first: bytes = OK) -> None:
    """Make the upstream close each connection on its second request, without an answer."""
    served: set[int] = set()

    def script(sock: socket.socket, _: bytes) -> None:
        if id(sock) in served:
            raise ConnectionError
        served.add(id(sock))
        sock.sendall(answer_first)

    raw.script = script


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_an_idempotent_request_survives_a_stale_connection(pair: Pair, method: str) -> None:
    """RFC 9110, section 9.2.2."""
    gateway, raw = pair
    stale(raw, answer_first=b"HTTP/1.1 204 No Content\r\n\r\n")
    assert [gateway.get("/users", method=method).status for _ in range(10)] == [204] * 10


@pytest.mark.parametrize("body", [b"", b"x" * 10_000])
def test_a_post_with_a_key_is_sent_again_as_it_was(pair: Pair, body: bytes) -> None:
    gateway, raw = pair
    stale(raw)
    for _ in range(10):
        sent = (b"X-Request-ID: same", b'Idempotency-Key: "a"')
        assert gateway.get("/users", *sent, method="POST", body=body).status == 200
    received = {first.partition(b"\r\ntraceparent")[0] for first in raw.requests}
    assert (len(raw.requests), len(received)) == (19, 1)
    assert all(request.endswith(b"\r\n\r\n" + body) for request in raw.requests)


def test_a_chunked_post_with_a_key_is_sent_again_whole(pair: Pair) -> None:
    gateway, raw = pair
    raw.script = send_and_close(b"")
    head = b"POST /users HTTP/1.1\r\nHost: a\r\nIdempotency-Key: a\r\nTransfer-Encoding: chunked"
    gateway.send(head + b"\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert [request.partition(b"\r\n\r\n")[2] for request in raw.requests] == [
        b"3\r\nabc\r\n0\r\n\r\n"
    ] * 2


MATCH = b'If-Match: "1"'
KEY = b"Idempotency-Key: a"


@pytest.mark.parametrize(
    ("method", "field"),
    [
        ("POST", b"X: y"),
        ("POST", b"Idempotency-Key:"),
        ("POST", b"Idempotency-Key:\r\nIdempotency-Key: a"),
        ("PATCH", b"X: y"),
        ("PATCH", KEY),
        ("PATCH", MATCH),
        ("PUT", MATCH),
        ("DELETE", MATCH),
    ],
)
@pytest.mark.parametrize("body", [b"", b"x"])
def test_a_request_that_must_not_be_repeated_is_sent_once(
    pair: Pair, method: str, field: bytes, body: bytes
) -> None:
    """With If-Match, the change of the first one would fail the second."""
    gateway, raw = pair
    raw.script = send_and_close(b"")
    assert gateway.get("/users", field, method=method, body=body).status == 502
    assert len(raw.requests) == 1


def test_a_body_that_is_not_whole_when_it_is_sent_is_not_repeated(pair: Pair) -> None:
    """It would have to be kept."""
    gateway, raw = pair

    def script(sock: socket.socket, data: bytes) -> None:
        read_body(sock, data, data.partition(b"\r\n\r\n")[2])
        raise ConnectionError

    raw.script = script
    with gateway.connect() as sock:
        sock.sendall(upload(2, KEY) + b"x")
        eventually(lambda: raw.requests)
        sock.sendall(b"x")
        assert b" 502 " in read_head(sock)[0]
    assert len(raw.requests) == 1


def test_a_request_is_repeated_only_once(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url)
    upstream.script = send_and_close(b"")
    assert running.get("/users").status == 502
    assert len(upstream.requests) == 2
    assert running.metric("gateway_retries_total", upstream="platform-service") == 1


def test_a_request_is_not_repeated_once_its_response_has_begun(pair: Pair) -> None:
    gateway, raw = pair
    raw.script = send_and_close(b"HTTP/1.1 2")
    assert gateway.get("/users").status == 502
    assert len(raw.requests) == 1
