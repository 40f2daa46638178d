"""Deployments to test: one that is already there, our own containers, or our own processes."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from chassis_testing.docker import docker_answers
from chassis_testing.ports import free_port
from chassis_testing.waiting import until

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(file.parent.name for file in ROOT.glob("*-service/pyproject.toml"))
PARTS = ("gateway", *SERVICES)
LONG_RUNNING = (*PARTS, "platform-db")

PATIENCE = 60.0  # seconds until a test gives up: plenty even on a slow machine
START_SECONDS = 5 * PATIENCE


class Foreign:
    """A deployment that is already there. The tests only send requests to it.

    They leave there what they have made.
    """

    kind = "a foreign deployment"

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def start(self) -> None:
        """End the run unless the deployment is ready and limits no rates."""
        httpx.get(f"{self.url}/readyz", timeout=PATIENCE).raise_for_status()
        if "ratelimit" in httpx.post(f"{self.url}/auth/token", timeout=PATIENCE).headers:
            pytest.exit(
                f"{self.url} limits rates, and the end-to-end tests need more: "
                "start it with GATEWAY_RATE_LIMIT=off.",
                returncode=1,
            )

    def stop(self) -> None:
        """Leave it as it is."""

    def log(self) -> str:
        return ""


class Containers:
    """The compose project of a checkout, with a name, images and a port of its own."""

    kind = "containers"

    def __init__(self, name: str = "e2e", folder: Path = ROOT) -> None:
        port = str(free_port())
        self.folder = folder
        self.project = f"inkwell-{name}-{os.getpid()}"
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": self.project,
            "GATEWAY_PORT": port,
            "GATEWAY_RATE_LIMIT": "off",
        }

    def start(self) -> None:
        self.compose("up", "--build", "--wait", timeout=15 * PATIENCE)

    def up(self, *arguments: str) -> None:
        """Start the services that are down, without building, and wait until they are healthy."""
        self.compose("up", "--wait", *arguments)

    def stop(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans", "--rmi", "all")
        of_this_project = f"label=com.docker.compose.project={self.project}"
        self.run("docker", "image", "prune", "--force", "--filter", of_this_project)

    def log(self) -> str:
        return self.compose("logs", "--tail", "20")

    def compose(self, *arguments: str, timeout: float = 5 * PATIENCE, **environment: str) -> str:
        command = ["docker", "compose", "--progress", "quiet", *arguments]
        return self.run(*command, timeout=timeout, **environment)

    def run(self, *command: str, timeout: float = 5 * PATIENCE, **environment: str) -> str:
        """Run a command in the checkout, and return its output."""
        return run(list(command), {**self.environment, **environment}, timeout, self.folder)

    def ids(self, *services: str) -> list[str]:
        """Return the containers of these services, or of all; exited ones are included."""
        return self.compose("ps", "--all", "--quiet", *services).split()


class Processes:
    """The processes of `make run`, with their own data folder."""

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
        until(self.is_ready, "The start of local/run.py", START_SECONDS)

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "local/run.py has ended"
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=PATIENCE, trust_env=False)
            checks = answer.json()["checks"]
        except (httpx.TransportError, ValueError, KeyError):
            return False
        return set(checks.values()) == {"up"}

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=5 * PATIENCE)
        if self.folder is not None:
            shutil.rmtree(self.folder)

    def log(self) -> str:
        if self.folder is None:
            return ""
        return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-60:])


Deployment = Foreign | Containers | Processes


def run(
    command: list[str],
    environment: dict[str, str],
    timeout: float = 5 * PATIENCE,
    folder: Path = ROOT,
) -> str:
    """Run the command in a folder and return its output. Fail if it fails."""
    done = subprocess.run(
        command, cwd=folder, env=environment, timeout=timeout, capture_output=True, check=False
    )
    output, errors = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    assert done.returncode == 0, f"{' '.join(command)}: {output[-2000:]} {errors[-4000:]}"
    return output


def choose() -> Deployment:
    """Return the deployment at GATEWAY_URL, or else containers if Docker answers, or processes.

    E2E_DEPLOYMENT=containers or =processes chooses one of the last two.
    """
    url, wanted = os.environ.get("GATEWAY_URL"), os.environ.get("E2E_DEPLOYMENT")
    if url and os.environ.get("E2E_WRITES") != "allowed":
        raise pytest.UsageError(
            "the end-to-end tests leave some 120 users, 300 articles and 1,200 posts at "
            f"{url}: set E2E_WRITES=allowed if they may"
        )
    if url:
        return Foreign(url)
    containers = wanted == "containers" or (wanted != "processes" and docker_answers())
    return Containers() if containers else Processes()


@contextmanager
def running(deployment: Deployment) -> Iterator[Deployment]:
    """Start the deployment and stop it at the end. A failed start ends the whole run."""
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
