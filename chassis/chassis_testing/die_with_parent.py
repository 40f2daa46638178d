"""Run a program that Linux signals when its parent ends, however the parent ends.

    python die_with_parent.py PARENT_PID SIGNAL_NUMBER COMMAND…

On other systems the program outlives a parent that was killed.
"""

import ctypes
import os
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the signal, then become the command."""
    parent, signal_number, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    ask_for_signal(signal_number, parent)
    os.execvp(command[0], command)


def dying_with_parent(command: Sequence[str], signal_number: int) -> list[str]:
    """Return the command that runs another one as a child that dies with this process.

    The main thread has to start it: Linux takes the end of the starting thread for the parent's.
    """
    script = [sys.executable, "-I", "-S", __file__]
    return [*script, str(os.getpid()), str(int(signal_number)), *command]


def ask_for_signal(signal_number: int, parent: int) -> None:
    """Ask Linux to signal this process when its parent ends; exit if the parent has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:
        sys.exit("The parent process has ended.")


if __name__ == "__main__":
    main()
