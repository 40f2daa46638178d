"""Requests that no HTTP client would send, written to the socket byte by byte."""

import http.client
import socket
import ssl
from contextlib import suppress
from urllib.parse import urlsplit

import httpx

from support.deployment import PATIENCE

Headers = list[tuple[str, str]]


class Wire:
    """A client that sends bytes and reads one response. Text is encoded as latin-1."""

    def __init__(self, url: str) -> None:
        self.base = urlsplit(url)

    def connect(self) -> socket.socket:
        port = self.base.port or (443 if self.base.scheme == "https" else 80)
        connection = socket.create_connection((self.base.hostname, port), PATIENCE)
        if self.base.scheme == "https":
            context = ssl.create_default_context()
            return context.wrap_socket(connection, server_hostname=self.base.hostname)
        return connection

    def head(self, method: str, target: str, headers: Headers) -> bytes:
        """Return a request line and headers; Host is added if there is none."""
        host = [] if any(k.lower() == "host" for k, _ in headers) else [("Host", self.base.netloc)]
        lines = [f"{k}: {v}" for k, v in [*host, *headers]]
        return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode("latin-1")

    def ask(
        self, method: str, target: str, headers: Headers | None = None, body: bytes = b""
    ) -> httpx.Response | None:
        """Return the response to one request, or None if the connection closed without one."""
        closing = [*(headers or []), ("Connection", "close")]
        response = self.send(self.head(method, target, closing) + body, method)
        if response is not None:
            request = httpx.Request(method, self.base.geturl(), extensions={"target": target})
            request.headers = httpx.Headers(headers, encoding="latin-1")
            response.request = request
        return response

    def send(self, data: bytes, method: str = "GET") -> httpx.Response | None:
        """Send the bytes and return the response; raise TimeoutError if nothing happens."""
        with self.connect() as connection:
            # An answer before the request's end is allowed.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(data)
            return _answer(connection, method)


def _answer(connection: socket.socket, method: str) -> httpx.Response | None:
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        content = response.read()
    except (http.client.BadStatusLine, ConnectionResetError):
        return None
    headers = [(k, v) for k, v in response.getheaders() if k.lower() != "transfer-encoding"]
    return httpx.Response(response.status, headers=headers, content=content)
