"""Changing secrets: step by step, whole or not at all, and with a word on what comes next."""

import stat
from pathlib import Path

import pytest
from conftest import PLATFORM

from chassis_testing.running import finish
from platform_service.keys import read_private_keys
from platform_service.make_secrets import make_secrets
from platform_service.rotate_secrets import STEPS, RefusedError, rotate


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A file with one key."""
    make_secrets(tmp_path / "password", file := tmp_path / "key.pem")
    return file


def keys_in(file: Path) -> list[bytes]:
    return [key.private_bytes_raw() for key in read_private_keys(file)]


def test_a_key_is_added_then_promoted_then_the_one_before_is_dropped(key_file: Path) -> None:
    [first] = keys_in(key_file)
    assert "promote-key" in rotate("add-key", key_file)
    signs, new = keys_in(key_file)
    assert signs == first
    assert "15 minutes" in rotate("promote-key", key_file)
    assert keys_in(key_file) == [new, first]
    rotate("drop-key", key_file)
    assert keys_in(key_file) == [new]
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o400
    assert sorted(path.name for path in key_file.parent.iterdir()) == ["key.pem", "password"]


@pytest.mark.parametrize(
    ("before", "step"),
    [
        ([], "promote-key"),
        ([], "drop-key"),
        (["add-key"], "add-key"),
        (["add-key"], "drop-key"),
        (["add-key", "promote-key"], "promote-key"),
        (["add-key", "promote-key", "drop-key"], "drop-key"),
    ],
    ids=str,
)
def test_a_step_out_of_its_turn_changes_nothing(
    key_file: Path, before: list[str], step: str
) -> None:
    for earlier in before:
        rotate(earlier, key_file)
    content = key_file.read_bytes()
    with pytest.raises(RefusedError):
        rotate(step, key_file)
    assert key_file.read_bytes() == content


def test_a_new_password_takes_the_place_of_the_last_one(key_file: Path) -> None:
    file = key_file.with_name("password")
    last = file.read_text()
    assert "at once" in rotate("new-password", file)
    assert len(file.read_text()) >= 32
    assert file.read_text() != last
    assert stat.S_IMODE(file.stat().st_mode) == 0o444


def run(where: Path, *arguments: str) -> tuple[int, str, str]:
    return finish(PLATFORM.start(where, *arguments))


def test_each_step_says_what_comes_next(key_file: Path) -> None:
    command = "platform_service.rotate_secrets"
    for step in ("add-key", "promote-key", "drop-key"):
        said = run(key_file.parent, command, step, str(key_file))
        assert said == (0, f"Done. {STEPS[step].next}\n", "")


@pytest.mark.parametrize(
    ("step", "content"),
    [
        ("add-key", b"a password"),
        ("add-key", b"\xff\xfe"),
        ("add-key", None),
        ("new-password", b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n"),
        ("new-password", b"\xff\xfe"),
        ("new-password", None),
    ],
    ids=str,
)
def test_a_file_without_what_a_step_changes_is_one_sentence(
    tmp_path: Path, step: str, content: bytes | None
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    code, out, err = run(tmp_path, "platform_service.rotate_secrets", step, str(file))
    assert (code, out) == (1, "")
    assert err.startswith(f"rotate_secrets: {file} is as it was: ")
    assert err.count("\n") == 1
    assert (file.read_bytes() if file.exists() else None) == content


@pytest.mark.parametrize("module", ["make_secrets", "rotate_secrets"])
def test_a_program_explains_its_arguments(tmp_path: Path, module: str) -> None:
    code, out, err = run(tmp_path, f"platform_service.{module}", "--help")
    assert (code, err) == (0, "")
    assert "usage: python -m platform_service." in out
    for wrong in ([], ["--new-key"], ["a", "b", "c"]):
        code, out, err = run(tmp_path, f"platform_service.{module}", *wrong)
        assert (code, out) == (2, "")
        assert "Traceback" not in err


def test_a_folder_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    files = [str(tmp_path / "none" / name) for name in ("password", "key.pem")]
    code, _, err = run(tmp_path, "platform_service.make_secrets", *files)
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith(f"make_secrets: {tmp_path / 'none'}")
