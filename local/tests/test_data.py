"""Only its owner can read the secrets in the data folder, and one process at a time uses it."""

import stat
from pathlib import Path

import pytest

import data
from supervisor import FailedError, Supervisor


def test_secrets_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    files = (data.signing_key(tmp_path), data.database_password(tmp_path))
    data.make_secrets(Supervisor(), tmp_path)
    made = [file.read_bytes() for file in files]
    data.make_secrets(Supervisor(), tmp_path)
    assert [file.read_bytes() for file in files] == made
    assert [stat.filemode(file.stat().st_mode) for file in files] == ["-r--------"] * 2


def test_a_folder_in_use_is_refused_until_it_is_free(tmp_path: Path) -> None:
    with data.held(tmp_path), pytest.raises(FailedError), data.held(tmp_path):
        pass
    with data.held(tmp_path):
        pass
