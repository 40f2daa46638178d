"""Making secrets: once, whole, and readable by those alone who need them."""

import stat
from pathlib import Path

from conftest import PLATFORM
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chassis_testing.running import finish
from platform_service.make_secrets import make_secrets

# The program, in a process whose files cannot grow to the length of a password.
WITHOUT_ROOM = """
import resource, runpy
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
try:
    runpy.run_module("platform_service.make_secrets", run_name="__main__")
finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
"""


def test_secrets_are_made_once_and_never_overwritten(tmp_path: Path) -> None:
    password, key = tmp_path / "password", tmp_path / "key.pem"
    make_secrets(password, key)
    made = password.read_bytes(), key.read_bytes()
    make_secrets(password, key)
    assert (password.read_bytes(), key.read_bytes()) == made
    assert len(made[0]) >= 32
    assert stat.S_IMODE(key.stat().st_mode) == 0o400
    assert {file.name for file in tmp_path.iterdir()} == {"password", "key.pem"}
    assert isinstance(load_pem_private_key(made[1], None), Ed25519PrivateKey)


def test_many_jobs_at_once_make_the_same_secrets(tmp_path: Path) -> None:
    arguments = (str(tmp_path / "password"), str(tmp_path / "key.pem"))
    jobs = [PLATFORM.start(tmp_path, "platform_service.make_secrets", *arguments) for _ in range(4)]
    assert [finish(job)[0] for job in jobs] == [0] * 4
    assert {file.name for file in tmp_path.iterdir()} == {"password", "key.pem"}


def test_secrets_without_room_are_one_sentence_and_leave_nothing(tmp_path: Path) -> None:
    (file := tmp_path / "without_room.py").write_text(WITHOUT_ROOM)
    (folder := tmp_path / "secrets").mkdir()
    arguments = (str(folder / "password"), str(folder / "key.pem"))
    said = finish(PLATFORM.start(tmp_path, file.stem, *arguments))
    assert said == (1, "", "make_secrets: a secret cannot be written: File too large.\n")
    assert list(folder.iterdir()) == []
