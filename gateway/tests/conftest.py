"""A raw-socket upstream that records bytes, and real gateways on real sockets."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.config import Settings
from gateway.main import create_app
from gateway.server import Server

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Script = Callable[[socket.socket, bytes], None]


class Answer(NamedTuple):
    """A response as it came: names in lower case, order and repeats kept."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def all(self, name: bytes) -> list[bytes]:
        return [value for field, value in self.headers if field == name]


def read_head(sock: socket.socket, data: bytes = b"") -> tuple[bytes, bytes]:
    """Read until the empty line; return the head and what came behind it."""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionError(data)
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def fields(head: bytes) -> list[tuple[bytes, bytes]]:
    lines = head.split(b"\r\n")[1:-2]
    return [(n.lower(), v[1:]) for n, _, v in (line.partition(b":") for line in lines)]


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


def receive(sock: socket.socket) -> bytes:
    piece = sock.recv(65536)
    if not piece:
        raise ConnectionError
    return piece


def read_all(sock: socket.socket) -> bytes:
    """Read until the other side closes, politely or not."""
    got = b""
    with suppress(ConnectionError):
        while True:
            got += receive(sock)
    return got


def dechunk(data: bytes) -> bytes:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        body, data = body + data[:length], data[length + 2 :]
        if length == 0:
            break
    return body


def parse(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    headers = fields(head + b"\r\n\r\n")
    if (b"transfer-encoding", b"chunked") in headers:
        body = dechunk(body)
    return Answer(int(head.split(b" ")[1]), headers, body)


def json_reply(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


def by_path(replies: dict[bytes, bytes]) -> Script:
    """Answer these paths as told, all others with 200."""

    def script(sock: socket.socket, data: bytes) -> None:
        sock.sendall(replies.get(data.split(b" ")[1], OK))

    return script


def hang(sock: socket.socket, _: bytes) -> None:
    """Answer nothing until the gateway closes."""
    sock.settimeout(10)
    read_all(sock)
    raise ConnectionError


def drip(sock: socket.socket, _: bytes) -> None:
    """Answer a byte at a time, each soon enough after the one before."""
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _byte in range(1000):
        sock.sendall(b" ")
        time.sleep(0.1)


class RawUpstream:
    """Answers every request with `reply`, or as `script` does with the socket and the head."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.reply = OK
        self.script: Script | None = None
        self.requests: list[bytes] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._listener = socket.create_server((host, port), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                self._open.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError), closing(sock):
            while True:
                head, rest = read_head(sock)
                if self.script:
                    self.requests.append(head + rest)
                    self.script(sock, head + rest)
                    continue
                self.requests.append(head + read_body(sock, head, rest))
                sock.sendall(self.reply)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class Running:
    """A gateway that runs in a thread."""

    def __init__(self, settings: Settings) -> None:
        app = create_app(settings)
        self.app = app
        self.server = Server(app)
        listener = socket.create_server((settings.host, settings.port), backlog=2048)
        self.port: int = listener.getsockname()[1]
        self._thread = threading.Thread(target=self.server.run, args=([listener],), daemon=True)
        self._thread.start()
        eventually(lambda: self.server.started or not self._thread.is_alive())
        assert self.server.started
        self.url = f"http://127.0.0.1:{self.port}"

    def connect(self, timeout: float = 5.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def send(self, data: bytes, *, timeout: float = 5.0) -> Answer:
        """Send bytes, read until the gateway closes, return the last answer."""
        with self.connect(timeout) as sock:
            sock.sendall(data)
            got = b""
            with suppress(ConnectionResetError):
                while piece := sock.recv(65536):
                    got += piece
        while got.startswith(b"HTTP/1.1 100"):
            got = got.partition(b"\r\n\r\n")[2]
        return parse(got)

    def get(self, path: str, *headers: bytes, method: str = "GET", body: bytes = b"") -> Answer:
        lines = [b"%b %b HTTP/1.1" % (method.encode(), path.encode("latin-1")), b"Host: inkwell"]
        lines += [*headers, b"Connection: close"]
        if body:
            lines.append(b"Content-Length: %d" % len(body))
        return self.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(15)
        assert not self._thread.is_alive()


def eventually(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    """Poll until the condition holds; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


def routes_file(folder: Path, blog: str, platform: str, **limits: dict[str, Any]) -> Path:
    """Write a file of routes; limits are tables by name, e.g. client={"max_headers": 5}."""

    def table(name: str) -> str:
        return "\n".join(f"{key} = {value!r}" for key, value in limits.get(name, {}).items())

    text = f"""
        keys_from = "platform-service"
        [upstreams.blog-service]
        url = "{blog}"
        [upstreams.platform-service]
        url = "{platform}"
        [defaults]
        {table("defaults")}
        [client]
        {table("client")}
        [[routes]]
        prefix = "/posts"
        upstream = "blog-service"
        {table("posts")}
        [[routes]]
        prefix = "/users"
        upstream = "platform-service"
        [[routes]]
        prefix = "/articles"
        upstream = "platform-service"
        [[routes]]
        prefix = "/auth"
        upstream = "platform-service"
        [[routes]]
        prefix = "/.well-known"
        upstream = "platform-service"
        [[rate_limits]]
        method = "POST"
        path = "/auth/token"
        limit = "10/minute"
        [[rate_limits]]
        method = "OPTIONS"
        path = "/users"
        limit = "3/minute"
    """
    path = folder / f"routes-{time.monotonic_ns()}.toml"
    path.write_text(text)
    return path


def gateways(folder: Path) -> Iterator[Callable[..., Running]]:
    with ExitStack() as stack:

        def start(
            blog: str, platform: str | None = None, *, limits: Any = None, **settings: Any
        ) -> Running:
            quick = {"port": 0, "metrics_port": 0, "rate_limit": "off", "drain_seconds": 0.0}
            file = routes_file(folder, blog, platform or blog, **(limits or {}))
            running = Running(Settings(**{**quick, "routes_file": file, **settings}))
            stack.callback(running.stop)
            return running

        yield start


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start gateways: gateway(upstream_url, platform_url=None, limits={...}, **settings)."""
    yield from gateways(tmp_path)


@pytest.fixture
def upstream() -> Iterator[RawUpstream]:
    with closing(RawUpstream()) as raw:
        yield raw


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, RawUpstream]]:
    """One gateway in front of one raw upstream, with every limit as it is by default."""
    with closing(RawUpstream()) as raw:
        for start in gateways(tmp_path_factory.mktemp("routes")):
            yield start(raw.url), raw


@pytest.fixture
def pair(shared: tuple[Running, RawUpstream]) -> tuple[Running, RawUpstream]:
    """The shared gateway and its upstream, as new."""
    _, raw = shared
    raw.reply, raw.script, raw.requests = OK, None, []
    return shared


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        return int(free.getsockname()[1])


class Process:
    """`python -m gateway` as an operator starts it."""

    def __init__(self, **variables: str) -> None:
        self.port = free_port()
        nowhere = "http://127.0.0.1:9"
        own = {
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_METRICS_PORT": "0",
            "GATEWAY_BLOG_SERVICE_URL": nowhere,
            "GATEWAY_PLATFORM_SERVICE_URL": nowhere,
            **variables,
        }
        command = [sys.executable, "-m", "gateway"]
        pipe = subprocess.PIPE
        folder = Path(__file__).parents[1]
        env = {**os.environ, **own}
        self.process = subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, cwd=folder)

    def wait_until_up(self) -> None:
        def answers() -> bool:
            assert self.process.poll() is None
            with closing(socket.socket()) as sock:
                return sock.connect_ex(("127.0.0.1", self.port)) == 0

        eventually(answers, seconds=15)

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out.decode(), err.decode()


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start gateways as processes, with variables: start(GATEWAY_PORT="0")."""
    started: list[Process] = []

    def begin(**variables: str) -> Process:
        started.append(Process(**variables))
        return started[-1]

    yield begin
    for it in started:
        if it.process.poll() is None:
            it.process.kill()
            it.process.communicate()
