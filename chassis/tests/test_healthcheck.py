"""The health check of the containers."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from chassis import healthcheck


class Part(BaseHTTPRequestHandler):
    """A part that is ready or not, by the status of its server."""

    server: "Server"

    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class Server(HTTPServer):
    status = 200


@contextmanager
def serving(status: int) -> Iterator[int]:
    with Server(("127.0.0.1", 0), Part) as server:
        server.status = status
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False)])
def test_the_answer_of_readyz_decides(status: int, ready: bool) -> None:
    with serving(status) as port:
        assert healthcheck.is_ready(port) is ready


def test_a_part_that_does_not_listen_is_not_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert not healthcheck.is_ready(taken.getsockname()[1])


def test_a_connection_that_closes_without_an_answer_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = Thread(target=hang_up)
        thread.start()
        assert not healthcheck.is_ready(listener.getsockname()[1])
        thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_exit_code_says_it_and_no_proxy_is_asked(
    status: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serving(status) as port:
        command = [sys.executable, "-m", "chassis.healthcheck", str(port)]
        assert subprocess.run(command, check=False).returncode == code
