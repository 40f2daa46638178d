"""An upstream on raw sockets that records bytes, and scripts for its behaviour."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

from support.waiting import PATIENCE
from support.wire import OK, Fields, fields, read_all, read_body, read_head

Script = Callable[[socket.socket, bytes], None]


class RawUpstream:
    """Answers every request with `reply`, or leaves it to `script`.

    The gateway's questions for its readiness are not recorded. They are answered with 200, or
    like every other request where `shows_readiness` is set.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.reply = OK
        self.script: Script | None = None
        self.shows_readiness = False
        self.requests: list[bytes] = []
        self.connections = 0  # with a request that is recorded
        self._open: list[socket.socket] = []
        self._listener = socket.create_server((host, port), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def target(self) -> bytes:
        """The target of the last request."""
        return self.requests[-1].split(b" ")[1]

    @property
    def headers(self) -> Fields:
        """The header fields of the last request."""
        return fields(self.requests[-1].partition(b"\r\n\r\n")[0] + b"\r\n\r\n")

    def all(self, name: bytes) -> list[bytes]:
        """Return every value of one header field of the last request."""
        return [value for field, value in self.headers if field == name]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._open.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError), closing(sock):
            head, rest = read_head(sock)
            if head.startswith(b"GET /readyz "):
                self._show_readiness(sock, head)
                return
            self.connections += 1
            while True:
                if self.script:
                    self.requests.append(head + rest)
                    self.script(sock, head + rest)
                else:
                    self.requests.append(head + read_body(sock, head, rest))
                    sock.sendall(self.reply)
                head, rest = read_head(sock)

    def _show_readiness(self, sock: socket.socket, head: bytes) -> None:
        if self.shows_readiness and self.script:
            self.script(sock, head)
        else:
            sock.sendall(self.reply if self.shows_readiness else OK)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def by_path(replies: dict[bytes, bytes]) -> Script:
    """Answer these paths with their replies, all others with 200."""

    def script(sock: socket.socket, data: bytes) -> None:
        sock.sendall(replies.get(data.split(b" ")[1], OK))

    return script


def answer_after(event: threading.Event) -> Script:
    """Answer with 200 once the event is set."""

    def script(sock: socket.socket, _: bytes) -> None:
        assert event.wait(PATIENCE)
        sock.sendall(OK)

    return script


def send_and_close(data: bytes) -> Script:
    """Answer with these bytes and close the connection."""

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(data)
        raise ConnectionError

    return script


def send_and_hang(data: bytes) -> Script:
    """Answer with these bytes and then nothing until the gateway closes."""

    def script(sock: socket.socket, head: bytes) -> None:
        sock.sendall(data)
        hang(sock, head)

    return script


def hang(sock: socket.socket, _: bytes) -> None:
    """Answer nothing until the gateway closes."""
    sock.settimeout(3 * PATIENCE)  # longer than any test waits
    read_all(sock)
    raise ConnectionError


def drip(sock: socket.socket, _: bytes) -> None:
    """Answer a byte at a time, each soon after the one before, for longer than a test waits."""
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    for _byte in range(10_000):
        sock.sendall(b" ")
        time.sleep(0.01)


@contextmanager
def taking_no_connection(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Yield a port that neither accepts nor refuses a connection."""
    with ExitStack() as stack:
        full = stack.enter_context(closing(socket.socket()))
        full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        full.bind((host, port))
        full.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield full.getsockname()[1]
