"""Clients that do not read their responses hold nothing for long."""

import socket
import threading
from contextlib import suppress

import pytest
from support.gateway import Running, Start
from support.upstream import RawUpstream, hang, send_and_close
from support.waiting import PATIENCE, eventually
from support.wire import GET, read_all, reply


@pytest.fixture
def impatient(gateway: Start, upstream: RawUpstream) -> Running:
    limits = {"client": {"keep_alive": 0.3, "send_timeout": 0.5}}
    return gateway(upstream.url, limits=limits)


def narrow(running: Running) -> socket.socket:
    """Connect so that little fits between the gateway and a client that reads nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", running.port))
    eventually(lambda: running.connections)
    (connection,) = running.connections
    inner = connection.transport.get_extra_info("socket")
    inner.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return sock


def test_an_idle_client_with_an_unread_rest_is_closed(
    impatient: Running, upstream: RawUpstream
) -> None:
    size = 60_000  # more than the sockets hold, less than stops the gateway's writing
    upstream.reply = reply(body=b"x" * size)
    with narrow(impatient) as sock:
        sock.sendall(GET)
        eventually(lambda: upstream.requests)
        eventually(lambda: not impatient.connections)
        assert len(read_all(sock)) < size


def test_a_client_that_does_not_read_a_broken_response_is_closed(
    impatient: Running, upstream: RawUpstream
) -> None:
    upstream.script = send_and_close(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000
    )
    with narrow(impatient) as sock:
        sock.sendall(GET)
        eventually(lambda: upstream.requests)
        eventually(lambda: not impatient.connections)


def test_a_response_that_was_not_taken_does_not_block_the_next_client(
    impatient: Running, upstream: RawUpstream
) -> None:
    sent = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 220000\r\n\r\n" + b"x" * 150_000)
        eventually(lambda: all(it.flow.write_paused for it in impatient.connections))
        with suppress(ConnectionError):  # on a slow machine the client is given up by now
            sock.sendall(b"x" * 70_000)  # more than the gateway reads ahead
        sent.set()

    upstream.script = script
    with narrow(impatient) as sock:
        sock.sendall(GET)
        assert sent.wait(PATIENCE)
        eventually(lambda: not impatient.connections)  # the client has been given up
    upstream.script = None
    assert impatient.get("/posts").body == b"ok"


def test_a_client_that_reads_nothing_is_closed(gateway: Start, upstream: RawUpstream) -> None:
    ended = threading.Event()

    def script(sock: socket.socket, _: bytes) -> None:
        with suppress(OSError):
            sock.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 50_000_000
            )
            hang(sock, b"")
        ended.set()
        raise ConnectionError

    upstream.script = script
    running = gateway(upstream.url, limits={"client": {"send_timeout": 0.3}})
    with running.connect() as sock:
        sock.sendall(GET)
        assert ended.wait(PATIENCE)
