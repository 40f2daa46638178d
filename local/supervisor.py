"""Child processes that stop in order, and that die with their parent if it is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TextIO

from chassis_testing.die_with_parent import dying_with_parent

POLL_SECONDS = 0.1
STOP_SECONDS = 20.0  # longer than a part takes to finish what is in flight
SAME_REQUEST_SECONDS = 0.3


class FailedError(Exception):
    """The reason of a failure, as one sentence for the person at the terminal."""


class StoppedError(Exception):
    """A signal asked for the end."""


@dataclass(frozen=True)
class Program:
    """A program to run: its name for people, its command, and the signals that end it."""

    name: str
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    hasten_signal: signal.Signals = signal.SIGKILL
    silent: bool = False  # its output is not shown, only kept for the report of a failure


class Child:
    """A running program, in a session of its own so that Ctrl-C reaches only the parent."""

    def __init__(self, program: Program, keep_open: Sequence[int]) -> None:
        self.program = program
        self.name = program.name
        self.last_lines: deque[str] = deque(maxlen=10)
        self.process = subprocess.Popen(
            dying_with_parent(program.command, program.stop_signal),
            cwd=program.folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **program.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=keep_open,
            start_new_session=True,
        )
        self._reader = threading.Thread(
            target=self._pass_lines_on, args=[self.process.stdout], daemon=True
        )
        self._reader.start()

    def _pass_lines_on(self, output: TextIO) -> None:
        """Print each line, with the program's name before those that are not JSON logs."""
        with output:
            for line in output:
                self.last_lines.append(line)
                if not self.program.silent:
                    say(line if line.startswith("{") else f"{self.name}: {line}", end="")

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def read_to_the_end(self) -> None:
        # A child of the program may outlive it and hold the pipe open.
        self._reader.join(timeout=1)

    def report(self) -> str:
        """Return a sentence that says how it ended, and its last lines."""
        self.read_to_the_end()
        code = self.process.returncode
        how = (
            f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        )
        lines = "".join(f"  {line}" for line in self.last_lines).rstrip()
        return f"{self.name} {how}; its last lines:\n{lines}" if lines else f"{self.name} {how}."


class Supervisor:
    """Programs that are started in stages, watched, and stopped in the reverse order.

    The main thread must start the programs: when a thread that started one ends, Linux takes
    that for the end of the parent. Every child inherits the file descriptors in `keep_open`.
    """

    def __init__(self, keep_open: Sequence[int] = ()) -> None:
        self.stages: list[list[Child]] = []
        self.stop_requests = 0
        self._last_request = float("-inf")
        self._keep_open = keep_open

    def listen_to_signals(self) -> None:
        """Count signals that ask for the end, so that none interrupts the code at any place.

        SIGINT and SIGHUP do not count where they are ignored, as in the background and by nohup.
        They have handlers all the same: children would inherit that they are ignored.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            ignored = signal.getsignal(number) is signal.SIG_IGN and number != signal.SIGTERM
            signal.signal(number, self._disregard if ignored else self._count)

    def _disregard(self, _number: int, _frame: FrameType | None) -> None: ...

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        # Ctrl-C reaches this process, and make passes it on as well: that is one request, not two.
        now = time.monotonic()
        if now - self._last_request > SAME_REQUEST_SECONDS:
            self.stop_requests += 1
        self._last_request = now

    def start(self, *programs: Program) -> list[Child]:
        """Start programs as one stage, and return the children."""
        stage: list[Child] = []
        self.stages.append(stage)
        # Added one by one, so that stop() finds those that ran before one that could not start.
        stage.extend(Child(program, self._keep_open) for program in programs)
        return stage

    def run(self, *programs: Program) -> None:
        """Run programs side by side to their end. Raise FailedError if an exit code is not 0."""
        stage = self.start(*programs)
        while not all(child.has_ended for child in stage):
            self._pause()
        self.stages.pop()
        for child in stage:
            child.read_to_the_end()
            if child.process.returncode != 0:
                raise FailedError(child.report())

    def wait_until(
        self, condition: Callable[[], bool], what: str, seconds: float, every: float = POLL_SECONDS
    ) -> None:
        """Wait for a condition. Raise FailedError at the deadline or if a child ends."""
        deadline = time.monotonic() + seconds
        while not condition():
            self._pause(every)
            self._check_children()
            if time.monotonic() > deadline:
                raise FailedError(f"{what} took longer than {seconds:.0f} seconds.")

    def watch(self) -> None:
        """Wait for ever. Raise StoppedError at a signal, FailedError if a child ends."""
        while True:
            self._pause()
            self._check_children()

    def _pause(self, seconds: float = POLL_SECONDS) -> None:
        if self.stop_requests:
            raise StoppedError
        time.sleep(seconds)

    def _check_children(self) -> None:
        for stage in self.stages:
            for child in stage:
                if child.has_ended:
                    raise FailedError(child.report())

    def stop(self) -> None:
        """Stop the stages in the reverse order of their start; another signal hastens it."""
        requests_before = self.stop_requests
        for stage in reversed(self.stages):
            for child in stage:
                child.signal(child.program.stop_signal)
            for child in stage:
                self._await_end(child, requests_before)

    def _await_end(self, child: Child, requests_before: int) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        while not child.has_ended:
            if time.monotonic() > deadline:
                child.signal(signal.SIGKILL)
            elif self.stop_requests > requests_before:
                child.signal(child.program.hasten_signal)
            time.sleep(POLL_SECONDS)
        child.read_to_the_end()


def say(text: str, end: str = "\n") -> None:
    """Write to the terminal, if it is still there."""
    with suppress(OSError):
        sys.stdout.write(text + end)
        sys.stdout.flush()
