"""`python -m platform_service.make_secrets PASSWORD_FILE KEY_FILE` makes each that is missing.

Each is written whole or not at all, and never overwritten, even if several processes run this.
`platform_service.rotate_secrets` changes them later.
"""

import argparse
import os
import secrets
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

PASSWORD_MODE = 0o444  # the database's server reads it too
KEY_MODE = 0o400


def make_secrets(password_file: Path, key_file: Path) -> None:
    """Make the database's password and the key that signs tokens, if they are missing."""
    if not password_file.exists():
        write(password_file, new_password(), PASSWORD_MODE, replace=False)
    if not key_file.exists():
        write(key_file, new_key(), KEY_MODE, replace=False)


def new_password() -> bytes:
    """Return a password."""
    return secrets.token_urlsafe(32).encode()


def new_key() -> bytes:
    """Return an Ed25519 private key in PEM."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write(path: Path, content: bytes, mode: int, *, replace: bool) -> None:
    """Write a file whole or not at all. Replace one that exists only if `replace` is true."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        if replace:
            unfinished.replace(path)
        else:
            with suppress(FileExistsError):
                path.hardlink_to(unfinished)  # unlike a rename, this replaces nothing
    parent = os.open(path.parent, os.O_RDONLY)
    os.fsync(parent)
    os.close(parent)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m platform_service.make_secrets",
        description="Make the secrets that are missing. rotate_secrets changes them later.",
    )
    parser.add_argument("password_file", type=Path, metavar="PASSWORD_FILE")
    parser.add_argument("key_file", type=Path, metavar="KEY_FILE")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _arguments()
    try:
        make_secrets(arguments.password_file, arguments.key_file)
    except OSError as error:
        named = error.filename or "a secret"  # an error of write() names no file
        sys.exit(f"make_secrets: {named} cannot be written: {error.strerror}.")
