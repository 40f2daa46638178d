"""The services on databases of their own, migrated and filled."""

import json
import shutil
import sqlite3
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import data
from postgres import Postgres
from sqlalchemy import URL, create_engine, make_url, text
from supervisor import Program, Supervisor

from benchmarks import ROOT
from benchmarks.cases import EMAIL, FORM, JSON, PASSWORD, credentials
from benchmarks.processes import HOST, Server, serve
from chassis_testing.ports import free_ports

PYTHON = [sys.executable, "-m"]
TIMEOUT = 30


@dataclass
class Databases:
    """One PostgreSQL, and a folder for SQLite's files and for secrets."""

    folder: Path
    supervisor: Supervisor = field(default_factory=Supervisor)
    postgres: Postgres = field(init=False)

    def start(self) -> None:
        """Raise UnavailableError where PostgreSQL cannot run."""
        data.make_secrets(self.supervisor, self.folder)
        password = data.database_password(self.folder)
        self.postgres = Postgres(self.folder / "postgres", password, free_ports(1)[0])
        self.postgres.start(self.supervisor)

    @property
    def pid(self) -> int:
        return self.supervisor.stages[-1][0].process.pid

    def postgresql(self, name: str) -> URL:
        """Make an empty database."""
        url = make_url(self.postgres.url).set(
            drivername="postgresql+psycopg2",
            password=data.database_password(self.folder).read_text(),
        )
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return url.set(database=name)

    def sqlite(self, name: str) -> URL:
        return URL.create("sqlite", database=str(self.folder / f"{name}.db"))


def text_of(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def usual_copy(url: URL) -> URL:
    """Return the same SQLite database in the journal mode that SQLite comes with."""
    file = Path(f"{url.database}.usual")
    shutil.copy(str(url.database), file)
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    return url.set(database=str(file))


def platform_settings(folder: Path, url: URL) -> dict[str, str]:
    """Return the platform's settings. The URL may hold the password of a benchmark's database."""
    return {
        "PLATFORM_DATABASE_URL": text_of(url),
        "PLATFORM_SIGNING_KEY_FILE": str(data.signing_key(folder)),
        "PLATFORM_HOST": HOST,
        "PLATFORM_DRAIN_SECONDS": "0",
        "MALLOC_MMAP_THRESHOLD_": "1048576",  # as in its image
    }


def blog_settings(url: URL) -> dict[str, str]:
    return {"BLOG_DATABASE_URL": text_of(url), "BLOG_HOST": HOST, "BLOG_DRAIN_SECONDS": "0"}


def migrate(package: str, settings: dict[str, str]) -> None:
    supervisor = Supervisor()
    try:
        supervisor.run(_part(f"{package}.migrate", package, settings, [f"{package}.migrate"]))
    finally:
        supervisor.stop()


def start_service(
    supervisor: Supervisor, package: str, settings: dict[str, str], log: Path
) -> Server:
    """Start a service as shipped."""
    return _start(supervisor, package, settings, log, [package])


def start_traced(
    supervisor: Supervisor, package: str, settings: dict[str, str], log: Path
) -> Server:
    """Start a service on SQLite that writes the statements it runs into `trace_file(log)`."""
    command = ["benchmarks.queries", package, str(trace_file(log))]
    return _start(supervisor, package, settings, log, command)


def _start(
    supervisor: Supervisor, package: str, settings: dict[str, str], log: Path, command: list[str]
) -> Server:
    (port,) = free_ports(1)
    name = package.removesuffix("_service").upper()
    program = _part(package, package, settings | {f"{name}_PORT": str(port)}, command)
    return serve(supervisor, program, port, log, "/readyz")


def start_own(
    supervisor: Supervisor, module: str, log: Path, settings: dict[str, str], ready: str
) -> Server:
    """Start a server of the benchmarks' own."""
    (port,) = free_ports(1)
    program = Program(module, [*PYTHON, module, str(port)], ROOT, settings)
    return serve(supervisor, program, port, log, ready)


def trace_file(log: Path) -> Path:
    """Return the file into which a traced service writes the statements that it runs."""
    return log.with_suffix(".sql")


def _part(name: str, package: str, settings: dict[str, str], command: list[str]) -> Program:
    folder = ROOT / package.replace("_", "-")
    environment = {"PYTHONPATH": str(ROOT), **settings}
    return Program(name, [*PYTHON, *command], folder, environment, silent=True)


def sign_up(server: Server) -> None:
    body = json.dumps({"email": EMAIL, "password": PASSWORD})
    _post(f"{server.url}/users/", body, JSON)


def sign_in(server: Server) -> str:
    answer: dict[str, str] = json.loads(_post(f"{server.url}/auth/token", credentials(), FORM))
    return answer["access_token"]


def _post(url: str, body: str, headers: dict[str, str]) -> bytes:
    request = urllib.request.Request(url, body.encode(), headers)  # noqa: S310 - of our own making
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
        content: bytes = answer.read()
    return content
