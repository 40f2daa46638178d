"""HTTP/1.1 as bytes: messages that tests send, and a reader for those that come back."""

import socket
from contextlib import suppress
from typing import NamedTuple

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET /posts HTTP/1.1\r\nHost: a\r\n\r\n"
GET_LAST = b"GET /posts HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
PROBLEM = [b"application/problem+json"]

Fields = list[tuple[bytes, bytes]]


class Answer(NamedTuple):
    """A response as it came: names in lower case, order and repeats kept."""

    status: int
    headers: Fields
    body: bytes

    def all(self, name: bytes) -> list[bytes]:
        return [value for field, value in self.headers if field == name]


def upload(length: int, *lines: bytes) -> bytes:
    """Return the head of a POST that announces a body of `length` bytes."""
    head = [b"POST /users HTTP/1.1", b"Host: a", b"Content-Length: %d" % length, *lines]
    return b"\r\n".join(head) + b"\r\n\r\n"


def reply(*lines: bytes, body: bytes = b"ok", status: bytes = b"200 OK") -> bytes:
    head = [b"HTTP/1.1 " + status, *lines, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def json_reply(body: bytes) -> bytes:
    return reply(b"Content-Type: application/json", body=body)


def receive(sock: socket.socket) -> bytes:
    piece = sock.recv(65536)
    if not piece:
        raise ConnectionError
    return piece


def read_head(sock: socket.socket, data: bytes = b"") -> tuple[bytes, bytes]:
    """Read until the empty line; return the head and what came behind it."""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionError(data)
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def read_body(sock: socket.socket, head: bytes, rest: bytes) -> bytes:
    """Read the body of a message as it is framed, chunks still in their frames."""
    known = dict(fields(head))
    if known.get(b"transfer-encoding") == b"chunked":
        while not rest.endswith(b"0\r\n\r\n"):
            rest += receive(sock)
        return rest
    while len(rest) < int(known.get(b"content-length", 0)):
        rest += receive(sock)
    return rest


def read_all(sock: socket.socket) -> bytes:
    """Read until the other side closes, politely or not."""
    got = b""
    with suppress(ConnectionError):
        while True:
            got += receive(sock)
    return got


def fields(head: bytes) -> Fields:
    lines = head.split(b"\r\n")[1:-2]
    return [(n.lower(), v[1:]) for n, _, v in (line.partition(b":") for line in lines)]


def parse(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    headers = fields(head + b"\r\n\r\n")
    if (b"transfer-encoding", b"chunked") in headers:
        body = dechunk(body)
    return Answer(int(head.split(b" ")[1]), headers, body)


def dechunk(data: bytes) -> bytes:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        body, data = body + data[:length], data[length + 2 :]
        if length == 0:
            break
    return body
