"""The deployment under test belongs to the tests alone, and is removed at their end."""

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.api import client
from support.deployment import Deployment, Foreign, Processes, choose, running


def test_a_deployment_that_is_not_started_creates_no_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert choose()
    assert Processes()
    assert list(tmp_path.iterdir()) == []


def test_processes_keep_their_data_in_their_own_folder(deployment: Deployment) -> None:
    if not isinstance(deployment, Processes):
        pytest.skip(f"looks at the data of processes, and this is {deployment.kind}")
    assert deployment.folder is not None
    assert (deployment.folder / "data" / "blog.db").is_file()


class Broken(Processes):
    """A deployment that does not start and has no log."""

    has_stopped = False

    def start(self) -> None:
        raise AssertionError

    def log(self) -> str:
        raise OSError

    def stop(self) -> None:
        self.has_stopped = True


def test_a_deployment_that_did_not_start_is_stopped() -> None:
    broken = Broken()
    with pytest.raises(OSError), running(broken):  # noqa: PT011 - it has no message
        pass
    assert broken.has_stopped


def test_a_deployment_of_somebody_else_is_not_written_to_unasked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATEWAY_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("E2E_WRITES", raising=False)
    with pytest.raises(pytest.UsageError, match=r"leave some 120 users.*E2E_WRITES"):
        choose()


def test_a_deployment_that_limits_rates_is_refused_before_the_first_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("E2E_WRITES", "allowed")
    monkeypatch.setenv("no_proxy", "*")
    with answering('RateLimit: "POST /auth/token";r=9;t=60') as url:
        monkeypatch.setenv("GATEWAY_URL", url)
        with pytest.raises(pytest.exit.Exception, match="GATEWAY_RATE_LIMIT=off"):
            choose().start()
    with answering("X-Other: 1") as url:
        monkeypatch.setenv("GATEWAY_URL", url)
        choose().start()


@contextmanager
def answering(field: str) -> Iterator[str]:
    """Answer 200 with this header field to each of two requests."""

    def answer() -> None:
        for _ in range(2):
            with server.accept()[0] as connection:
                connection.recv(10_000)
                connection.sendall(
                    f"HTTP/1.1 200 OK\r\n{field}\r\nContent-Length: 0\r\n\r\n".encode()
                )

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_a_proxy_is_not_used_for_a_deployment_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, deployment: Deployment
) -> None:
    if isinstance(deployment, Foreign):
        pytest.skip("somebody's deployment may be behind a proxy")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with client(deployment) as api:
        assert api.get("/livez").status_code == 200
