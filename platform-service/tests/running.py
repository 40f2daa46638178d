"""Running the service: in a thread of the tests, or as the process that is deployed."""

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import IO

from fastapi import FastAPI

import platform_service
from platform_service.config import Settings
from platform_service.main import create_app
from platform_service.server import Server

FOLDER = Path(platform_service.__file__).parents[1]
SECONDS = 120  # until a test gives up waiting for a process


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[FastAPI, str]]:
    """Serve on a port that the system chooses; gives the application, started, and its URL."""
    app = create_app(settings)
    server = Server(app, settings)
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    thread = Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        await_answer(address)
        yield app, f"http://{address}"
    finally:
        server.should_exit = True
        thread.join()


def await_answer(address: str) -> None:
    """Wait, in the backlog of the listening socket, until the service has started."""
    connection = http.client.HTTPConnection(address, timeout=SECONDS)
    connection.request("GET", "/livez")
    assert connection.getresponse().read()
    connection.close()


def start(folder: Path, *command: str, **variables: str) -> subprocess.Popen[str]:
    """Start `python -m …` in a folder, with these of our variables and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PLATFORM_")}
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(FOLDER), "PLATFORM_PORT": "0", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def await_url(running: subprocess.Popen[str]) -> str:
    """Wait until the service accepts requests; gives its URL."""
    return find_url(running, running.stdout)


def find_url(running: subprocess.Popen[str], output: IO[str] | None) -> str:
    """Find, in what it prints here, the URL at which it accepts requests."""
    assert output is not None
    printed = []
    for line in output:
        printed.append(line)
        if "Uvicorn running on " in line:
            return line.partition("Uvicorn running on ")[2].split()[0]
    raise AssertionError(f"It did not start: {printed} {running.communicate()}")


@contextmanager
def process(folder: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `python -m platform_service`; gives the process and its URL once it accepts requests."""
    with start(folder, "platform_service", **variables) as running:
        try:
            yield running, await_url(running)
        finally:
            running.kill()


def finish(running: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end of a process; gives its exit code, what it printed, and its errors."""
    out, err = running.communicate(timeout=SECONDS)
    return running.returncode, out, err
