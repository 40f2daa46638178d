"""Broken responses are 502, or break the client's connection once they have begun."""

import socket
import threading
from typing import Any

import pytest
from support.gateway import Pair, Start
from support.upstream import RawUpstream, send_and_close
from support.waiting import PATIENCE, eventually
from support.wire import CHUNKED, GET, PROBLEM, read_head, receive

from gateway.upstream.connection import UpstreamConnection

FAULTS = [
    ("garbage", b"garbage\r\n\r\n"),
    ("another protocol", b"SSH-2.0-x\r\n"),
    ("nothing", b""),
    ("half a head", b"HTTP/1.1 200 OK\r\nContent-Le"),
    ("a bad status", b"HTTP/1.1 2000 OK\r\n\r\n"),
    ("status 99", b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"),
    ("status 600", b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n"),
    ("101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    (
        "both framings",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    ("gzip coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabcd"),
    ("a folded line", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
    ("NUL", b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"),
    ("a large head", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 3_000_000 + b"\r\n\r\n"),
    ("many fields", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"Content-Length: 0\r\n\r\n"),
]


@pytest.mark.parametrize(("what", "data"), FAULTS, ids=[what for what, _ in FAULTS])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_a_garbled_or_truncated_response_is_502(
    pair: Pair, what: str, data: bytes, method: str
) -> None:
    """RFC 9110, section 15.6.3."""
    gateway, raw = pair
    raw.script = send_and_close(data)
    answer = gateway.get("/users", method=method)
    assert answer.status == 502, what
    assert answer.all(b"content-type") == PROBLEM


BROKEN_BODIES = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart", b""),
    (CHUNKED + b"4\r\npart\r\n", b""),
    (CHUNKED + b"4\r\npart\r\n", b"zz\r\n"),
    (CHUNKED + b"4\r\npart\r\n", b"4\r\npa"),
]


@pytest.mark.parametrize(("first", "last"), BROKEN_BODIES)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_an_upstream_that_dies_in_mid_body_breaks_the_clients_connection(
    pair: Pair, first: bytes, last: bytes, version: bytes
) -> None:
    """RFC 9112, section 8: an incomplete message must be recognisable."""
    gateway, raw = pair
    arrived = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(first)
        assert arrived.wait(PATIENCE)
        sock.sendall(last)
        raise ConnectionError

    raw.script = script
    with gateway.connect() as sock:
        sock.sendall(GET.replace(b"1.1", version))
        head, rest = read_head(sock)
        while b"part" not in rest:
            rest += receive(sock)
        arrived.set()
        ended_by: type[Exception] = ConnectionError
        try:
            while piece := sock.recv(65536):
                rest += piece
        except ConnectionResetError:
            ended_by = ConnectionResetError
    if b"content-length: 100" not in head and b"chunked" not in head:
        assert ended_by is ConnectionResetError  # the framing cannot show that the body is cut
    assert not rest.endswith(b"0\r\n\r\n")


def test_a_replica_that_resets_as_soon_as_it_accepts_is_502_and_no_error_of_the_gateway(
    gateway: Start, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = gateway(upstream.url)
    eventually(lambda: running.get("/users", method="POST", body=b"x").status == 200)
    made = UpstreamConnection.connection_made

    def reset(self: UpstreamConnection, transport: Any) -> None:
        made(self, transport)
        transport.abort()

    monkeypatch.setattr(UpstreamConnection, "connection_made", reset)
    monkeypatch.setattr(UpstreamConnection, "is_free", False)
    assert running.get("/users", method="POST", body=b"x").status in (502, 503)
