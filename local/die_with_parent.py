"""Becomes another program, to which Linux sends a signal at its parent's end, however that ends.

    python die_with_parent.py PARENT_PID SIGNAL_NUMBER COMMAND…

Other systems have no such thing: there only a parent that ends in order stops its children.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the signal, then become the command."""
    parent, signal_number, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    ask_for_signal(signal_number, parent)
    os.execvp(command[0], command)


def end_with_make() -> None:
    """Be asked to stop when make ends, if that started this process, however it ends."""
    if "MAKELEVEL" in os.environ:
        ask_for_signal(signal.SIGTERM, os.getppid())


def ask_for_signal(signal_number: int, parent: int) -> None:
    """Have Linux send this process a signal at its parent's end; exit if that was earlier."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:
        sys.exit("The parent process has ended.")


if __name__ == "__main__":
    main()
