"""Progress on standard error, so that a person sees that the run goes on."""

import sys
import time

LINE_SECONDS = 5.0  # between two lines where there is no terminal to write over
WIDTH = 110


class Progress:
    """The progress of a run: how many steps are done, and the one that runs."""

    def __init__(self, subject: str, steps: int) -> None:
        self._subject = subject
        self._steps = steps
        self._done = 0
        self._said_at = float("-inf")

    def step(self, what: str) -> None:
        """Begin a step."""
        self._done += 1
        share = f"{self._subject} {self._done}/{self._steps}"
        last = self._done == self._steps
        if sys.stderr.isatty():
            line = f"{share} {what}"[:WIDTH].ljust(WIDTH)
            sys.stderr.write(f"\r{line}" + ("\n" if last else ""))
        elif last or time.monotonic() - self._said_at > LINE_SECONDS:
            self._said_at = time.monotonic()
            sys.stderr.write(f"{share} {what}\n")
        sys.stderr.flush()


def say(text: str) -> None:
    """Show a step that has no count."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
