"""`make check` finds what is wrong with locked requirements."""

from pathlib import Path

import pytest

import requirements

LOCKED = """\
httpx==0.28.1 \\
    --hash=sha256:d909fcccc110f8c7faf814ca82a9a4d816bc5a6dbfea25d6591d6985b8ba59ad
uvloop==0.23.0 ; sys_platform != 'win32' \\
    --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.txt"
    file.write_text(LOCKED)
    return file


def test_a_file_as_make_lock_writes_it_has_no_problem(file: Path) -> None:
    assert not list(requirements.hosts_and_paths(file))
    assert not list(requirements.unlocked(["httpx>=0.28", "uvloop"], file))
    assert not list(requirements.differing(file, {"httpx": {"0.28.1"}, "uvloop": {"0.23.0"}}))


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://packages.example/simple",
        "--find-links wheels",
        "-i packages.example",
        "httpx @ file:wheels/httpx.whl",
        "    # via -r /home/ada/requirements.in",
    ],
)
def test_a_host_or_a_path_is_named(file: Path, line: str) -> None:
    file.write_text(f"{LOCKED}{line}\n")
    [problem] = requirements.hosts_and_paths(file)
    assert line.strip() in problem


@pytest.mark.parametrize("dependency", ["h2", "httpx>=0.29"])
def test_a_dependency_that_is_not_locked_as_declared_is_named(file: Path, dependency: str) -> None:
    [problem] = requirements.unlocked([dependency], file)
    assert dependency in problem


def test_a_version_that_differs_from_the_root_is_named(file: Path) -> None:
    [problem] = requirements.differing(file, {"httpx": {"0.28.2"}, "uvloop": {"0.23.0"}})
    assert "httpx" in problem
