"""Gateways that run in a thread of the test, and the files of routes that they read."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from gateway.client.server import Server
from gateway.config import Settings
from gateway.main import create_app
from support.upstream import RawUpstream
from support.waiting import PATIENCE, eventually
from support.wire import Answer, parse


class Running:
    """A gateway that runs in a thread."""

    def __init__(self, settings: Settings) -> None:
        app = create_app(settings)
        self.app = app
        self.server = Server(app)
        listener = socket.create_server(("127.0.0.1", settings.port), backlog=2048)
        self.port: int = listener.getsockname()[1]
        self._thread = threading.Thread(target=self.server.run, args=([listener],), daemon=True)
        self._thread.start()
        eventually(lambda: self.server.started or not self._thread.is_alive())
        assert self.server.started
        self.url = f"http://127.0.0.1:{self.port}"

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE, (source, 0))

    def send(self, data: bytes) -> Answer:
        """Send bytes, read until the gateway closes, return the last answer."""
        with self.connect() as sock:
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
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    # The inside of the gateway, for conditions that a client cannot see.
    # They are named here only, so that one place follows the source.

    @property
    def draining(self) -> bool:
        return bool(self.app.state.draining)

    @property
    def connections(self) -> list[Any]:
        """The clients' connections."""
        return list(self.server.server_state.connections)

    @property
    def upstream_connections(self) -> list[Any]:
        """The connections to blog-service."""
        return list(self.app.proxy.upstreams["blog-service"].connections)

    @property
    def waiting(self) -> int:
        """The number of requests that wait for blog-service."""
        queue = self.app.proxy.upstreams["blog-service"].slots._queue
        return sum(map(len, queue._waiting.values()))

    @property
    def in_flight(self) -> int:
        """The number of requests at blog-service's only replica."""
        (replica,) = self.app.proxy.upstreams["blog-service"].replicas._replicas
        return replica.in_flight

    @property
    def standings(self) -> list[str]:
        """The standings of blog-service's replicas, by address."""
        replicas = self.app.proxy.upstreams["blog-service"].replicas._replicas
        return [it.standing.name for it in sorted(replicas, key=lambda it: it.address)]

    @property
    def checks(self) -> set[Any]:
        """The questions to blog-service's replicas that are under way."""
        return set(self.app.proxy.upstreams["blog-service"].replicas._checks)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.app.proxy.metrics.registry.get_sample_value(name, labels)


Start = Callable[..., Running]
Pair = tuple[Running, RawUpstream]


def gateways(folder: Path) -> Iterator[Start]:
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


def routes_file(folder: Path, blog: str, platform: str, **limits: dict[str, Any]) -> Path:
    """Write a file of routes; limits are tables by name, e.g. client={"max_headers": 5}."""

    def table(name: str) -> str:
        return "\n".join(f"{key} = {value!r}" for key, value in limits.get(name, {}).items())

    text = f"""
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
        {table("users")}
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
