"""Where the tests run: somebody's deployment, containers of our own, or processes of our own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("gateway", "blog-service", "platform-service")
LONG_RUNNING = (*PARTS, "platform-db")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Foreign:
    """A deployment that is not ours: it is called, and otherwise left alone."""

    kind = "a foreign deployment"

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def start(self) -> None:
        httpx.get(f"{self.url}/readyz", timeout=5).raise_for_status()

    def stop(self) -> None:
        """Leave it as it is."""

    def log(self) -> str:
        return ""


class Containers:
    """The compose project of this repository, under a name and a port of its own."""

    kind = "containers"

    def __init__(self, name: str = "e2e") -> None:
        port = str(free_port())
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": f"inkwell-{name}-{os.getpid()}",
            "GATEWAY_PORT": port,
            "GATEWAY_RATE_LIMIT": "off",
        }

    def start(self) -> None:
        self.compose("up", "--build", "--wait", timeout=900)

    def up(self, *arguments: str) -> None:
        """Bring up what is not up, without building, and wait until it is healthy."""
        self.compose("up", "--wait", *arguments)

    def stop(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans")

    def log(self) -> str:
        return self.compose("logs", "--tail", "20")

    def compose(self, *arguments: str, timeout: float = 300, **environment: str) -> str:
        command = ["docker", "compose", "--progress", "quiet", *arguments]
        return run(command, {**self.environment, **environment}, timeout)

    def lines(self, service: str) -> list[str]:
        """What all containers of the service have logged."""
        logged = self.compose("logs", "--no-log-prefix", "--no-color", service).splitlines()
        return [line for line in logged if line.strip()]

    def ids(self, *services: str) -> list[str]:
        """The containers of the services, or of all, those that have ended too."""
        return self.compose("ps", "--all", "--quiet", *services).split()


class Processes:
    """The processes of `make run`, with a data folder of their own."""

    kind = "processes"

    def __init__(self) -> None:
        self.port = str(free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder: Path | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="inkwell-e2e-"))
        environment = {
            **os.environ,
            "GATEWAY_PORT": self.port,
            "GATEWAY_RATE_LIMIT": "off",
            "INKWELL_DATA": str(self.folder / "data"),
        }
        with (self.folder / "log").open("wb") as log:
            command = [sys.executable, "local/run.py"]
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        eventually(self.is_ready, within=300)

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "local/run.py has ended"
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False)
            checks = answer.json()["checks"]
        except (httpx.TransportError, ValueError, KeyError):
            return False
        return set(checks.values()) == {"up"}

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=60)
        if self.folder is not None:
            shutil.rmtree(self.folder)

    def log(self) -> str:
        if self.folder is None:
            return ""
        return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-60:])


Deployment = Foreign | Containers | Processes


def run(command: list[str], environment: dict[str, str], timeout: float = 60) -> str:
    """Run the command in the repository's root; its output, or AssertionError if it fails."""
    done = subprocess.run(
        command, cwd=ROOT, env=environment, timeout=timeout, capture_output=True, check=False
    )
    output, errors = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    assert done.returncode == 0, f"{' '.join(command)}: {output[-2000:]} {errors[-4000:]}"
    return output


def eventually(is_so: Callable[[], object], within: float) -> float:
    """Ask until the answer is true, and say after how many seconds it was."""
    begin = time.monotonic()
    while not is_so():
        assert time.monotonic() - begin < within, f"still not so after {within} s"
        time.sleep(0.02)
    return time.monotonic() - begin


def choose() -> Deployment:
    """GATEWAY_URL's deployment, else containers where an engine answers, else processes.

    E2E_DEPLOYMENT=containers or =processes makes the choice between the two latter.
    """
    url, wanted = os.environ.get("GATEWAY_URL"), os.environ.get("E2E_DEPLOYMENT")
    if url:
        return Foreign(url)
    containers = wanted == "containers" or (wanted != "processes" and has_engine())
    return Containers() if containers else Processes()


def has_engine() -> bool:
    if shutil.which("docker") is None:
        return False
    commands = (["docker", "info"], ["docker", "compose", "version"])
    return all(
        subprocess.run(command, capture_output=True, check=False).returncode == 0
        for command in commands
    )


@contextmanager
def running(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment, brought up and torn down. A failed start ends the whole run."""
    try:
        start(deployment)
        yield deployment
    finally:
        deployment.stop()


def start(deployment: Deployment) -> None:
    try:
        deployment.start()
    except (AssertionError, OSError, subprocess.TimeoutExpired, httpx.HTTPError) as error:
        log = deployment.log()
        pytest.exit(f"{log}\n{deployment.kind} did not start: {error}", returncode=1)
