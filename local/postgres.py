"""PostgreSQL as a supervised child of `make run`, with data that are kept."""

import shutil
import signal
from pathlib import Path

from chassis_testing.postgres import HOST, START_SECONDS, STOP_SIGNAL, USER, find_launcher
from supervisor import Program, Supervisor


class Postgres:
    """A server on 127.0.0.1 whose data lie in a folder."""

    def __init__(self, folder: Path, password_file: Path, port: int) -> None:
        """Prepare the folder. Raise UnavailableError where PostgreSQL cannot run."""
        self.port = port
        self._password_file = password_file
        self._folder = folder
        self._cluster = folder / "cluster"
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.parent.chmod(0o711)  # for a user that PostgreSQL may need; files are not for others
        self._launcher = find_launcher(folder, password_file)

    @property
    def url(self) -> str:
        """The database's address, without its password."""
        return f"postgresql://{USER}@{HOST}:{self.port}/postgres"

    def start(self, supervisor: Supervisor) -> None:
        """Make the cluster if there is none, start the server and wait until it answers."""
        if not self._cluster.exists():
            self._make_cluster(supervisor)
        # The server that wrote it has ended: the lock on the data folder is inherited, and free.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        server = self._launcher.server(self._cluster, self.port)
        supervisor.start(self._program("postgres", server))
        supervisor.wait_until(
            lambda: self._launcher.answers(self.port), "The start of PostgreSQL", START_SECONDS
        )

    def _make_cluster(self, supervisor: Supervisor) -> None:
        """Make the cluster under another name first, so that it is never half made."""
        unfinished = self._folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        initdb = self._launcher.initdb(unfinished, self._password_file)
        supervisor.run(self._program("initdb", initdb))
        unfinished.rename(self._cluster)

    def _program(self, name: str, command: list[str]) -> Program:
        return Program(
            name=f"PostgreSQL ({name})",
            command=command,
            folder=self._folder,
            stop_signal=STOP_SIGNAL,
            hasten_signal=signal.SIGQUIT,
            silent=True,
        )
