"""Expect: 100-continue goes through to the upstream: RFC 9110, section 10.1.1."""

import socket
import threading

import pytest
from support.gateway import Pair
from support.waiting import PATIENCE
from support.wire import OK, read_all, read_head, receive, upload

from gateway.proxy import exchange


def test_100_continue_comes_from_the_upstream(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "CONTINUE_TIMEOUT", PATIENCE)
    gateway, raw = pair
    granted = threading.Event()

    def script(sock: socket.socket, data: bytes) -> None:
        assert data.endswith(b"\r\n\r\n")
        assert granted.wait(PATIENCE)
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert receive(sock) == b"body"
        sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK)

    raw.script = script
    with gateway.connect() as sock:
        sock.sendall(upload(4, b"Expect: 100-continue"))
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        granted.set()
        sock.settimeout(PATIENCE)
        assert read_head(sock)[0] == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"body")
        assert b" 200 " in read_head(sock)[0]


def test_an_expectation_may_be_refused_before_the_body(pair: Pair) -> None:
    gateway, raw = pair
    raw.script = lambda sock, _: sock.sendall(OK.replace(b"200 OK", b"413 No"))
    with gateway.connect() as sock:
        sock.sendall(upload(4, b"Expect: 100-continue"))
        head, _ = read_head(sock)
    assert head.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in head


def test_a_body_that_was_announced_and_not_sent_costs_the_upstreams_connection(
    pair: Pair,
) -> None:
    """RFC 9112, section 9.3: a connection is reused only if the whole request was sent."""
    gateway, raw = pair
    used: list[int] = []
    refused = threading.Event()

    def script(sock: socket.socket, data: bytes) -> None:
        used.append(id(sock))
        if b"expect" not in data:
            sock.sendall(OK)
            return
        sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n")
        assert refused.wait(PATIENCE)
        sock.sendall(b"early")

    raw.script = script
    for named in (b"X: y", b"Connection: expect"):
        used.clear()
        refused.clear()
        with gateway.connect() as sock:
            sock.sendall(upload(50, b"Expect: 100-continue", named))
            assert read_head(sock)[1] == b""
            refused.set()
            assert read_all(sock) == b"early"
        assert gateway.get("/users").body == b"ok"
        assert used[0] != used[1]


def test_connection_cannot_remove_the_expectation(pair: Pair) -> None:
    """RFC 9110, section 7.6.1: without it the client would wait for a 100 that never comes."""
    gateway, raw = pair
    gateway.get("/users", b"Expect: 100-continue", b"Connection: expect", method="POST", body=b"x")
    assert b"expect: 100-continue\r\n" in raw.requests[-1]


def test_an_upstream_that_does_not_know_expect_gets_the_body_after_a_second(pair: Pair) -> None:
    gateway, _ = pair
    with gateway.connect() as sock:
        sock.sendall(upload(4, b"Expect: 100-continue"))
        assert read_head(sock)[0] == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"body")
        assert b" 200 " in read_head(sock)[0]
