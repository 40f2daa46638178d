"""Running a part: in a thread of the tests, or as the process that is deployed."""

import http.client
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

from fastapi import FastAPI

import chassis
from chassis.server import Server, service_config
from chassis.settings import PartSettings

LISTENING = re.compile(r"(?:listening at|Uvicorn running on) (?:http://)?([^\s\"]+)")
SECONDS = 120  # until a test gives up waiting for a process
CHASSIS = Path(chassis.__file__).parents[1]


@dataclass(frozen=True)
class Part:
    """A part of the system: its package, the folder it lies in, the prefix of its variables."""

    package: str
    folder: Path
    prefix: str

    def start(self, where: Path, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Start `python -m …` in a folder, with these variables of the part and no others."""
        kept = {k: value for k, value in os.environ.items() if not k.startswith(self.prefix)}
        path = os.pathsep.join([str(self.folder), str(CHASSIS)])
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=where,
            env={**kept, "PYTHONPATH": path, f"{self.prefix}PORT": "0", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def process(self, where: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """Run the part; yield its process and its URL once it accepts requests."""
        with self.start(where, self.package, **variables) as running:
            try:
                yield running, await_url(running)
            finally:
                running.kill()


@contextmanager
def serving(app: FastAPI, settings: PartSettings) -> Iterator[str]:
    """Serve in a thread, on a port that the system chooses; yield the URL once it has started."""
    server = Server(app, service_config(app), settings.drain_seconds)
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    thread = Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        await_answer(address)
        yield f"http://{address}"
    finally:
        server.should_exit = True
        thread.join()


def await_answer(address: str) -> None:
    """Wait, in the backlog of the listening socket, until the service has started."""
    connection = http.client.HTTPConnection(address, timeout=SECONDS)
    connection.request("GET", "/livez")
    assert connection.getresponse().read()
    connection.close()


def await_url(running: subprocess.Popen[str]) -> str:
    """Wait until the process accepts requests, and return its URL."""
    return find_url(running, running.stdout)


def find_url(running: subprocess.Popen[str], output: IO[str] | None) -> str:
    """Wait until the process says in this output where it listens, and return that as a URL."""
    assert output is not None
    printed = []
    for line in output:
        printed.append(line)
        if found := LISTENING.search(line):
            return f"http://{found[1]}"
    raise AssertionError(f"It did not start: {printed} {running.communicate()}")


def signal_during_imports(running: subprocess.Popen[str], number: int) -> tuple[int, str, str]:
    """Send a signal to a process that lists its imports, and return what finish() does."""
    assert running.stderr is not None
    assert any("pydantic" in line for line in running.stderr)
    running.send_signal(number)
    return finish(running)


def finish(running: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end of a process; return its exit code, its output and its errors."""
    out, err = running.communicate(timeout=SECONDS)
    return running.returncode, out, err
