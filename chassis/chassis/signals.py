"""Signals during the start: each ends the process at once, without a traceback.

A part's `__main__` imports this module first, since imports take most of the start. The server
catches the signals itself.
"""

import os
import signal
from types import FrameType


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    os._exit(128 + number)  # the first process of a container survives the default action


signal.signal(signal.SIGTERM, _end)
if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as it is in a job in the background
    signal.signal(signal.SIGINT, _end)
