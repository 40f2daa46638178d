"""Helpers: the system started as a user starts it, and a list of its processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

RUN = [sys.executable, str(Path(__file__).resolve().parents[1] / "run.py")]


class Stack:
    """`python local/run.py`, or a command that runs it, with its own data folder and port."""

    def __init__(
        self,
        folder: Path,
        port: int,
        data: Path | None = None,
        command: Sequence[str] = RUN,
        **variables: str,
    ) -> None:
        self.log = folder / f"log-{port}"
        environment = {
            **{name: value for name, value in os.environ.items() if name != "MAKELEVEL"},
            "GATEWAY_PORT": str(port),
            "INKWELL_DATA": str(data or folder / "data"),
            **variables,
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.output
        return "Inkwell is running" in self.output

    def await_end(self) -> int:
        return self.process.wait(timeout=60)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.await_end()


def descendants(ancestor: int) -> dict[int, str]:
    """Return the processes below one, each with its command line."""
    parents = {pid: parent for pid, parent, _ in processes()}
    below = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return {pid: command_line(pid) for pid in below - {ancestor}}


def alive(pids: set[int]) -> set[int]:
    """Return the processes that have not ended. A zombie has."""
    return {pid for pid, _, state in processes() if pid in pids and state != "Z"}


def processes() -> Iterator[tuple[int, int, str]]:
    """Yield each process's id, its parent's id, and its state."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # the process has ended
        yield int(path.parent.name), int(parent), state


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
