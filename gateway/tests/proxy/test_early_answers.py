"""Answers before the end of the request reach the client: RFC 9112, sections 9.3 and 9.6."""

import socket
from contextlib import suppress

import pytest
from support.gateway import Pair
from support.upstream import send_and_close
from support.wire import parse, read_all, upload


@pytest.mark.parametrize("status", [401, 413])
@pytest.mark.parametrize("size", [10, 10_000, 1_000_000])
@pytest.mark.parametrize("closes", [True, False])
def test_an_answer_before_the_end_of_the_request_reaches_the_client(
    pair: Pair, status: int, size: int, closes: bool
) -> None:
    """RFC 9112, section 9.3 and 9.6."""
    gateway, raw = pair

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 %d Early\r\nContent-Length: 5\r\n\r\nearly" % status)
        if closes:
            raise ConnectionError
        read_all(sock)

    raw.script = script
    for part in (b"", b"x", b"x" * (size // 2)):
        with gateway.connect() as sock:
            sock.sendall(upload(size, b"Connection: close") + part)
            answer = parse(read_all(sock))
        assert (answer.status, answer.body) == (status, b"early")
        assert answer.all(b"connection") == [b"close"]


def test_an_early_answer_reaches_a_client_that_goes_on_sending(pair: Pair) -> None:
    gateway, raw = pair
    raw.script = send_and_close(b"HTTP/1.1 413 Early\r\nContent-Length: 5\r\n\r\nearly")
    for _ in range(20):
        with gateway.connect() as sock:
            sock.sendall(upload(2_000_000, b"Connection: close"))
            with suppress(ConnectionError):
                for _ in range(20):
                    sock.sendall(b"x" * 100_000)
            assert parse(read_all(sock)).status == 413
