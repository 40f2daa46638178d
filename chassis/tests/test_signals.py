"""Signals during the start: they end it at once and quietly."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from chassis_testing.running import finish

STARTING = """
import chassis.signals
print("importing", flush=True)
import time
time.sleep(600)
"""


@contextmanager
def starting() -> Iterator[subprocess.Popen[str]]:
    """Yield a process that has imported the module, and goes on with other imports."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", STARTING]
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "importing\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_without_a_traceback(number: signal.Signals) -> None:
    with starting() as process:
        process.send_signal(number)
        assert finish(process) == (-number, "", "")


def test_sigint_stays_ignored_and_sigterm_ends_it_all_the_same(
    ignoring: Callable[[signal.Signals], None],
) -> None:
    ignoring(signal.SIGINT)
    ignoring(signal.SIGTERM)
    with starting() as process:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert finish(process) == (-signal.SIGTERM, "", "")
