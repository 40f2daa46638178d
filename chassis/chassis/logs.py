"""Log lines: one JSON object each on standard output, with the id of their request."""

import asyncio
import logging
import re
import sys
import time
import traceback
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from random import getrandbits
from typing import Any, TextIO

from pydantic_core import to_json

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)  # uvicorn's own command configures no logger but its own

FLUSH_SECONDS = 0.05  # how long the line of a request may wait for others
COMPLAINT_INTERVAL = 60.0  # seconds between two lines about a fault that lasts
HEALTH = frozenset(("/livez", "/readyz"))  # paths whose lines have the level debug

# Set where a request begins, so that each of its lines has it.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
VALID_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


def set_request_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the id of a request, and set it for its log lines.

    It is the client's if there is one valid one, or else a new one. The names of the header fields
    are in lower case.
    """
    sent = [value for name, value in headers if name == b"x-request-id"]
    is_valid = len(sent) == 1 and VALID_ID.fullmatch(sent[0])
    chosen = sent[0] if is_valid else b"%032x" % getrandbits(128)
    request_id.set(chosen.decode())
    return chosen


class JsonFormatter(logging.Formatter):
    """Formats a record as one line.

    The line has the type and the places of an exception, but not its text, which may repeat a
    value that a client sent.
    """

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        fields: dict[str, Any] = {}
        if record.exc_info and record.exc_info[0]:
            places = traceback.extract_tb(record.exc_info[2])
            fields["exception"] = record.exc_info[0].__name__
            fields["at"] = [f"{place.filename}:{place.lineno}" for place in places]
        moment = datetime.fromtimestamp(record.created, UTC)
        return _line(self._part, moment, record.levelname.lower(), record.getMessage(), fields)


class Reminder:
    """Says when to log a fault that lasts: at once, and then once a minute."""

    def __init__(self) -> None:
        self._next = 0.0

    def is_due(self) -> bool:
        """Return whether to log the fault now. If so, the next time is a minute later."""
        is_due = time.monotonic() >= self._next
        if is_due:
            self._next = time.monotonic() + COMPLAINT_INTERVAL
        return is_due


_output_fails = Reminder()


def _complain(part: str, error: OSError) -> None:
    """Say on standard error that standard output cannot be written."""
    if _output_fails.is_due():
        event = f"standard output cannot be written, so that lines are lost: {error.strerror}"
        with suppress(OSError):  # perhaps it is the same full disk
            print(_line(part, datetime.now(UTC), "error", event, {}), file=sys.stderr)


class Handler(logging.StreamHandler[TextIO]):
    """Writes records to standard output. On a full disk it writes no traceback for each line."""

    def __init__(self, part: str) -> None:
        super().__init__(sys.stdout)
        self.setFormatter(JsonFormatter(part))
        self._part = part

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging names it
        """Complain if the line could not be written."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            _complain(self._part, error)
        else:
            super().handleError(record)


class AccessLog:
    """The lines of requests. They are written together: a write costs as much as a line."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._output = sys.stdout
        self._lines: list[str] = []

    def write(self, **fields: Any) -> None:
        """Write the line of a request within FLUSH_SECONDS, if its level is logged."""
        is_health = fields.get("path") in HEALTH
        level, name = (logging.DEBUG, "debug") if is_health else (logging.INFO, "info")
        if not logger.isEnabledFor(level):
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        line = _line(self._part, datetime.now(UTC), name, "request", fields)
        self._lines.append(f"{line}\n")

    def flush(self) -> None:
        """Write the lines that are still waiting."""
        lines, self._lines = self._lines, []
        try:
            self._output.write("".join(lines))
            self._output.flush()
        except OSError as error:
            _complain(self._part, error)


def configure_logging(part: str, level: str) -> None:
    """Send every logger's lines, those of uvicorn and Alembic included, through the formatter."""
    logging.basicConfig(level=level.upper(), handlers=[Handler(part)], force=True)
    logger.setLevel(level.upper())
    logging.getLogger("httpx").setLevel(logging.WARNING)  # one line per request otherwise


def _line(part: str, moment: datetime, level: str, event: str, fields: dict[str, Any]) -> str:
    line = {
        "time": moment,
        "level": level,
        "service": part,
        "event": event,
        "request_id": request_id.get(),
        **fields,
    }
    return to_json(line).decode()
