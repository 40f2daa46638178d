"""Clients of HTTP/1.0."""

import socket

import pytest
from support.gateway import Pair
from support.upstream import send_and_hang
from support.wire import CHUNKED, read_head, receive


def test_a_client_of_http_1_0_needs_no_host_and_gets_no_chunks(pair: Pair) -> None:
    """RFC 9112, sections 3.2 and 6.1."""
    gateway, raw = pair
    raw.reply = CHUNKED + b"2\r\nok\r\n0\r\n\r\n"
    answer = gateway.send(b"GET /posts HTTP/1.0\r\n\r\n")
    assert answer.body == b"ok"
    assert answer.all(b"transfer-encoding") == []
    assert answer.all(b"connection") == [b"close"]
    assert raw.all(b"host") == [b""]


def test_an_absolute_target_of_http_1_0_names_the_host(pair: Pair) -> None:
    gateway, raw = pair
    gateway.send(b"GET http://other.example/posts HTTP/1.0\r\n\r\n")
    assert raw.all(b"host") == raw.all(b"x-forwarded-host") == [b"other.example"]


UPGRADE = b"Host: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n"


def test_an_upgrade_of_http_1_0_is_answered_in_http_1_0(pair: Pair) -> None:
    """RFC 9110, section 7.8: a server ignores such an Upgrade."""
    gateway, raw = pair
    raw.reply = CHUNKED + b"2\r\nok\r\n0\r\n\r\n"
    answer = gateway.send(b"GET /posts HTTP/1.0\r\n" + UPGRADE + b"\r\n")
    assert (answer.body, answer.all(b"transfer-encoding")) == (b"ok", [])
    assert answer.all(b"connection") == [b"close"]


def test_chunks_of_http_1_0_are_400_with_an_upgrade_too(pair: Pair) -> None:
    gateway, raw = pair
    chunked = UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert gateway.send(b"POST /users HTTP/1.0\r\n" + chunked).status == 400
    assert raw.requests == []


def test_half_an_answer_without_framing_ends_in_a_reset(pair: Pair) -> None:
    gateway, raw = pair
    raw.script = send_and_hang(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
    )
    with gateway.connect() as sock:
        sock.sendall(b"GET /posts HTTP/1.0\r\n\r\n")
        _, body = read_head(sock)
        while body != b"half":
            body += receive(sock)
        sock.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
