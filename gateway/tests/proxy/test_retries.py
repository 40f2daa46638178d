"""Lost requests are repeated once, if that is safe."""

import socket

import pytest
from support.gateway import Pair
from support.upstream import RawUpstream, send_and_close
from support.wire import OK


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


@pytest.mark.parametrize(("method", "body"), [("POST", b""), ("PATCH", b""), ("PUT", b"x")])
def test_a_request_that_must_not_be_repeated_is_sent_once(
    pair: Pair, method: str, body: bytes
) -> None:
    gateway, raw = pair
    raw.script = send_and_close(b"")
    assert gateway.get("/users", method=method, body=body).status == 502
    assert len(raw.requests) == 1


def test_a_request_is_repeated_only_once(pair: Pair) -> None:
    gateway, raw = pair
    raw.script = send_and_close(b"")
    assert gateway.get("/users").status == 502
    assert len(raw.requests) == 2


def test_a_request_is_not_repeated_once_its_response_has_begun(pair: Pair) -> None:
    gateway, raw = pair
    raw.script = send_and_close(b"HTTP/1.1 2")
    assert gateway.get("/users").status == 502
    assert len(raw.requests) == 1
