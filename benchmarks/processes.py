"""The programs that are measured: started on free ports, and read from /proc."""

import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from supervisor import FailedError, Program, Supervisor

HOST = "127.0.0.1"
START_SECONDS = 60.0
SETTLE_SECONDS = 10.0
TICKS = os.sysconf("SC_CLK_TCK")
# The output of what is measured goes to a file, as in production; nobody spends CPU on reading it.
INTO_A_FILE = ["sh", "-c", 'exec "$@" >>"$0" 2>&1']
PACKAGES = {"wrk": "wrk", "nginx": "nginx-light"}  # as Debian names them


@dataclass(frozen=True)
class Server:
    """A server under test."""

    pid: int
    port: int
    log: Path
    ready_after: float  # seconds from its start to its first answer

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


def require(*programs: str) -> None:
    """Raise FailedError, one sentence, when a program is missing."""
    for program in programs:
        if find(program) is None:
            package = PACKAGES[program]
            raise FailedError(f"{program} is missing: on Debian and Ubuntu, apt install {package}.")


def find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


def serve(
    supervisor: Supervisor, program: Program, port: int, log: Path, path: str = "/livez"
) -> Server:
    """Start a server and wait until it answers. Raise FailedError with the end of its log."""
    began = time.monotonic()
    command = [*INTO_A_FILE, str(log), *program.command]
    (child,) = supervisor.start(replace(program, command=command))
    server = Server(child.process.pid, port, log, 0)
    try:
        supervisor.wait_until(
            lambda: answers(server.url + path), f"The start of {program.name}", START_SECONDS
        )
    except FailedError as error:
        raise FailedError(f"{error}\n{tail(log)}") from error
    return replace(server, ready_after=time.monotonic() - began)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - of our own making
            return True
    except OSError:
        return False


def tail(log: Path, lines: int = 10) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the user and system time that processes and all their children have taken."""
    return sum(map(_ticks, _with_children(pids))) / TICKS


def memory_mib(pid: int) -> float:
    """Return the memory of a process and its children (RSS)."""
    pages = 0
    for each in _with_children([pid]):
        with suppress(OSError):
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def settle(pids: Sequence[int]) -> None:
    """Wait until the processes are idle: what a client left unfinished may still run."""
    deadline = time.monotonic() + SETTLE_SECONDS
    before = -1.0
    while (now := cpu_seconds(pids)) > before + 1.5 / TICKS and time.monotonic() < deadline:
        before = now
        time.sleep(0.05)


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0  # it has ended, and its parent's count of ended children has its time
    return sum(map(int, fields[11:15]))  # utime, stime, and both of children that have ended


def _with_children(pids: Sequence[int]) -> list[int]:
    found = list(pids)
    for pid in found:  # which grows meanwhile
        with suppress(OSError):  # it has ended
            for thread in Path(f"/proc/{pid}/task").iterdir():
                found.extend(map(int, (thread / "children").read_text().split()))
    return found
