"""`python -m platform_service.make_secrets PASSWORD_FILE KEY_FILE` makes what is missing of both.

Each is written whole or not at all and never overwritten, however many run this at once.
`python -m platform_service.make_secrets --new-key KEY_FILE` puts a new key before the last one.
"""

import os
import secrets
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from platform_service.keys import PEM_END


def make_secrets(password_file: Path, key_file: Path) -> None:
    """Make the database's password, which its server reads too, and the key that signs tokens."""
    _write_once(password_file, secrets.token_urlsafe(32).encode(), mode=0o444)
    _write_once(key_file, _new_key(), mode=0o400)


def put_new_key(key_file: Path) -> None:
    """Put a new key first, so that it signs. The last key still verifies its tokens."""
    last, end, _ = key_file.read_text().partition(PEM_END)
    both = key_file.with_name(f"{key_file.name}.new")
    both.unlink(missing_ok=True)
    _write_once(both, _new_key() + f"{last}{end}\n".encode(), mode=0o400)
    both.replace(key_file)


def _new_key() -> bytes:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


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
    if sys.argv[1] == "--new-key":
        put_new_key(Path(sys.argv[2]))
    else:
        make_secrets(Path(sys.argv[1]), Path(sys.argv[2]))
