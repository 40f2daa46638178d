"""`python -m platform_service.make_secrets PASSWORD_FILE KEY_FILE` makes what is missing of both.

Each is written whole or not at all and never overwritten, however many run this at once.
"""

import os
import secrets
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def make_secrets(password_file: Path, key_file: Path) -> None:
    """Make the database's password, which its server reads too, and the key that signs tokens."""
    _write_once(password_file, secrets.token_urlsafe(32).encode(), mode=0o444)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write_once(key_file, pem, mode=0o400)


def _write_once(path: Path, content: bytes, mode: int) -> None:
    if path.exists():
        return
    with tempfile.NamedTemporaryFile(dir=path.parent) as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
        try:
            os.link(file.name, path)  # unlike a rename, this never replaces what is there
        except FileExistsError:
            return
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


if __name__ == "__main__":
    make_secrets(Path(sys.argv[1]), Path(sys.argv[2]))
