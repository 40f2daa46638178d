"""The SQL that a request sends: read off the wire to PostgreSQL, or from SQLite's own trace."""

import socket
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from runpy import run_module
from threading import Thread
from types import ModuleType
from typing import Any, BinaryIO

from benchmarks.measure import Competitor, check
from benchmarks.processes import HOST

REPEATS = 10
ENDS = ("BEGIN", "COMMIT", "ROLLBACK")
NO_ENCRYPTION = {80877103, 80877104}  # what libpq asks for before it begins, without TLS


@dataclass(frozen=True)
class Queries:
    """The SQL of one request: statements beside BEGIN, COMMIT and ROLLBACK, and all of them.

    On PostgreSQL each of all is one round trip; SQLite runs inside the process and has none.
    """

    group: str
    competitor: str
    case: str
    statements: float
    round_trips: float


def count(competitor: Competitor, sent: Callable[[], Sequence[str]]) -> list[Queries]:
    """Send each case a few times, alone; `sent` gives the SQL of all requests so far."""
    counts = []
    for case in competitor.cases:
        check(competitor, case)
        before = len(sent())
        for _ in range(REPEATS):
            check(competitor, case)
        queries = sent()[before:]
        own = [query for query in queries if not query.upper().startswith(ENDS)]
        counts.append(
            Queries(
                competitor.group,
                competitor.name,
                case.name,
                len(own) / REPEATS,
                len(queries) / REPEATS,
            )
        )
    return counts


class Wire:
    """A proxy in front of PostgreSQL that writes down each simple query (message Q)."""

    def __init__(self, database_port: int) -> None:
        self.queries: list[str] = []
        self._database_port = database_port
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                database = socket.create_connection((HOST, self._database_port))
                for pump in (self._listen, self._answer):
                    Thread(target=pump, args=[client, database], daemon=True).start()

    def _answer(self, client: socket.socket, database: socket.socket) -> None:
        with suppress(OSError):
            while data := database.recv(65_536):
                client.sendall(data)

    def _listen(self, client: socket.socket, database: socket.socket) -> None:
        with suppress(OSError), client, database, client.makefile("rb") as stream:
            code = next(iter(NO_ENCRYPTION))
            while code in NO_ENCRYPTION:
                length, body = _message(stream)
                code = int.from_bytes(body[:4], "big")
                database.sendall(length + body)
            while kind := stream.read(1):
                length, body = _message(stream)
                if kind == b"Q":
                    self.queries.append(body.rstrip(b"\0").decode(errors="replace").strip())
                database.sendall(kind + length + body)


def _message(stream: BinaryIO | Any) -> tuple[bytes, bytes]:
    length = stream.read(4)
    return length, stream.read(int.from_bytes(length, "big") - 4)


def trace_sqlite(module: ModuleType, file: Path) -> None:
    """Write each statement that a driver's connections run into a file."""
    connect, output, last = module.connect, file.open("a", buffering=1), ""

    def write(statement: str) -> None:
        nonlocal last
        # A driver names a trigger in a comment, or says the statement that set it off once more.
        is_new = statement != last or statement.startswith("SELECT")
        if is_new and not statement.startswith("--"):
            output.write(" ".join(statement.split()) + "\n")
            last = statement

    def traced(*args: Any, **kwargs: Any) -> Any:
        connection = connect(*args, **kwargs)
        connection.set_trace_callback(write)
        return connection

    module.connect = traced  # type: ignore[attr-defined]


def main(package: str, file: Path) -> None:
    """Run a service on SQLite with the trace: `python -m benchmarks.queries PACKAGE FILE`."""
    trace_sqlite(sqlite3.dbapi2, file)  # where SQLAlchemy takes it from
    with suppress(ImportError):
        import pysqlite3  # noqa: PLC0415 - not on every platform

        trace_sqlite(pysqlite3, file)
    sys.argv = [package, *sys.argv[3:]]
    run_module(package, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
