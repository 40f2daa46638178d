"""Log lines: one JSON object each on standard output, with the id of their request."""

import asyncio
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

FLUSH_SECONDS = 0.05  # how long the line of a request may wait for others

# Set where a request begins, so that every line written in its course carries it.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line.

    Of an exception the line has the type and the places, but not the text, which may repeat a
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


class AccessLog:
    """The lines of requests. They are written together: a write costs as much as a line."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._output = sys.stdout
        self._lines: list[str] = []

    def write(self, **fields: Any) -> None:
        """Write the line of a request within FLUSH_SECONDS."""
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        line = _line(self._part, datetime.now(UTC), "info", "request", fields)
        self._lines.append(f"{line}\n")

    def flush(self) -> None:
        """Write the lines that still wait."""
        lines, self._lines = self._lines, []
        self._output.write("".join(lines))
        self._output.flush()


def configure_logging(part: str, level: str = "info") -> None:
    """Send every logger's lines, those of uvicorn and Alembic included, through the formatter."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(part))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


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
