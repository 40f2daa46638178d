"""The data folder keeps its secrets for their owner, and is one process's at a time."""

import stat
from pathlib import Path

import pytest

import data
from process import FailedError


def test_secrets_are_made_once_and_are_their_owners_alone(tmp_path: Path) -> None:
    for make in (data.signing_key, data.database_password):
        path = make(tmp_path)
        made = path.read_bytes()
        assert make(tmp_path).read_bytes() == made
        assert stat.filemode(path.stat().st_mode) == "-rw-------"


def test_what_a_killed_process_left_unfinished_is_not_taken_for_a_secret(tmp_path: Path) -> None:
    (tmp_path / "signing-key.pem.unfinished").write_text("-----BEGIN")
    assert data.signing_key(tmp_path).read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert [path.name for path in tmp_path.iterdir()] == ["signing-key.pem"]


def test_a_held_folder_is_refused_until_it_is_free(tmp_path: Path) -> None:
    with data.held(tmp_path), pytest.raises(FailedError), data.held(tmp_path):
        pass
    with data.held(tmp_path):
        pass
