"""Becomes another program, to which Linux sends a signal at its parent's end, however that ends.

    python die_with_parent.py PARENT_PID SIGNAL_NUMBER COMMAND…

Other systems have no such thing: there only a parent that ends in order stops its children.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the signal, then become the command."""
    parent, signal_number, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number)
    # The parent may have ended before the kernel was asked.
    if os.getppid() != parent:
        sys.exit("The parent process has ended.")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
