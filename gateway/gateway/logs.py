"""One JSON object a line on standard output."""

import asyncio
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

# Set where a request begins, so that every line that is written in its course has it.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

FLUSH_INTERVAL = 0.05  # seconds that the line of a request may wait for others


class JsonFormatter(logging.Formatter):
    """Formats a record; of an exception its type and place, not its text."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        fields: dict[str, Any] = {}
        if record.exc_info and record.exc_info[0]:
            places = traceback.extract_tb(record.exc_info[2])
            fields["exception"] = record.exc_info[0].__name__
            fields["at"] = [f"{place.filename}:{place.lineno}" for place in places]
        moment = datetime.fromtimestamp(record.created, UTC)
        return _line(moment, record.levelname.lower(), record.getMessage(), fields)


class AccessLog:
    """The lines of requests, written together, since each write costs as much as a parsing."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def write(self, **fields: Any) -> None:
        """Write the line of a request, soon."""
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_INTERVAL, self.flush)
        self._lines.append(_line(datetime.now(UTC), "info", "request", fields) + "\n")

    def flush(self) -> None:
        """Write what still waits."""
        lines, self._lines = self._lines, []
        print("".join(lines), end="", flush=True)


def configure_logging(level: str) -> None:
    """Send every logger's lines, uvicorn's too, to standard output as JSON."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else it writes a line per question


def _line(moment: datetime, level: str, event: str, fields: dict[str, Any]) -> str:
    line = {
        "time": moment,
        "level": level,
        "service": "gateway",
        "event": event,
        "request_id": request_id.get(),
        **fields,
    }
    return to_json(line).decode()
