"""The data folder: used by one `make run` at a time; it keeps the secrets made on the first."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from process import FailedError


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """Make the folder and hold its lock; yield the lock's file descriptor.

    Children inherit it, so that the folder stays held until the last of them has ended, too.
    """
    lock = open_lock(folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FailedError(
            f"The data folder {folder} is in use by another `make run`, or one that still stops."
        ) from None
    else:
        yield lock
    finally:
        os.close(lock)


def open_lock(folder: Path) -> int:
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(0o711)  # for the user that PostgreSQL may need; files are not for others
        return os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FailedError(
            f"The data folder {folder} cannot be written: {error.strerror}."
        ) from error


def database_password(folder: Path) -> Path:
    """The file that holds the database's password."""
    return made_once(folder / "database-password", secrets.token_urlsafe(32))


def signing_key(folder: Path) -> Path:
    """The file that holds the private key which signs the tokens, as PEM."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made_once(folder / "signing-key.pem", pem.decode())


def made_once(path: Path, content: str) -> Path:
    """Write a secret whole or not at all, and never over an earlier one."""
    if not path.exists():
        unfinished = path.with_name(f"{path.name}.unfinished")
        unfinished.unlink(missing_ok=True)
        with open(unfinished, "x", opener=private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    return path


def private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
