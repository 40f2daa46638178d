"""The data folder: one `make run` at a time uses it, and the first makes its secrets."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from supervisor import FailedError, Program, Supervisor

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """Make the folder and hold its lock; yield the lock's file descriptor.

    Children inherit the descriptor, so the folder stays held until the last of them has ended.
    """
    lock = open_lock(folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FailedError(
            f"The data folder {folder} is in use by another `make run`; it may still be stopping."
        ) from None
    else:
        yield lock
    finally:
        os.close(lock)


def open_lock(folder: Path) -> int:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FailedError(
            f"The data folder {folder} cannot be written: {error.strerror}."
        ) from error


def database_password(folder: Path) -> Path:
    """Return the file with the database's password."""
    return folder / "database-password"


def signing_key(folder: Path) -> Path:
    """Return the file with the private key that signs tokens, as PEM."""
    return folder / "signing-key.pem"


def make_secrets(supervisor: Supervisor, folder: Path) -> None:
    """Make the secrets that are missing, by the program that makes them in containers too."""
    password, key = database_password(folder), signing_key(folder)
    if not (password.exists() and key.exists()):
        command = [sys.executable, "-m", "platform_service.make_secrets", str(password), str(key)]
        supervisor.run(Program("make_secrets", command, ROOT / "platform-service"))
    password.chmod(0o400)  # the program lets others read it, as containers need
