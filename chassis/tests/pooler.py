"""A pooler in front of PostgreSQL, as far as a client can tell it from the server."""

import re
import socket
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from sqlalchemy import URL

PROCESS = re.compile(rb"(?<=K\x00\x00\x00\x0c)....", re.DOTALL)  # that serves the session


@contextmanager
def pooling(url: URL) -> Iterator[URL]:
    """Yield the URL of a pooler, which gives its clients a process number of its own."""

    class Session(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((str(url.host), url.port or 5432)) as server:
                Thread(target=_copy, args=(self.request, server), daemon=True).start()
                _copy(server, self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as pooler:
        pooler.daemon_threads = True
        Thread(target=pooler.serve_forever, daemon=True).start()
        try:
            yield url.set(host="127.0.0.1", port=pooler.server_address[1])
        finally:
            pooler.shutdown()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(PROCESS.sub(b"\x00\x00\x00\x00", data))
        target.shutdown(socket.SHUT_WR)
