"""The environment is made from the locked requirements, or a sentence says why it is not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNREACHABLE = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
FILES = ("scripts/bootstrap.py", "requirements-dev.txt", "local/requirements.txt")
ONLY_RUN = ("--only-run", "true")
DIGESTS = "from bootstrap import *; print(digest(TO_RUN), digest(TO_DEVELOP))"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A tree with nothing but what the environment is made from."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def bootstrap(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, str(root / "scripts" / "bootstrap.py"), *command]
    environment = {**os.environ, **UNREACHABLE}
    return subprocess.run(script, env=environment, capture_output=True, text=True, check=False)


def pretend_to_have_installed(root: Path, files: int) -> None:
    """Write the stamp of an environment, which is an empty folder."""
    command = [sys.executable, "-c", DIGESTS]
    digests = subprocess.check_output(command, cwd=root / "scripts", text=True).split()
    (root / ".venv").mkdir()
    (root / ".venv" / "installed").write_text("\n".join(digests[:files]))


def test_without_a_package_index_it_says_so_and_tries_again_the_next_time(copy: Path) -> None:
    for _ in range(2):
        done = bootstrap(copy, "true")
        assert done.returncode == 1
        assert done.stderr.endswith("(is the package index reachable?).\n"), done.stderr


def test_a_file_in_place_of_the_environment_is_one_sentence(copy: Path) -> None:
    (copy / ".venv").write_text("not a folder")
    done = bootstrap(copy, "true")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("The environment"), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("true",), ONLY_RUN])
def test_nothing_is_installed_twice(copy: Path, command: tuple[str, ...]) -> None:
    pretend_to_have_installed(copy, files=2)
    done = bootstrap(copy, *command)
    assert (done.returncode, done.stderr) == (0, "")


def test_developers_tools_are_added_to_what_make_run_has_installed(copy: Path) -> None:
    pretend_to_have_installed(copy, files=1)
    assert bootstrap(copy, *ONLY_RUN).returncode == 0
    done = bootstrap(copy, "true")
    assert done.returncode == 1  # there is no Python in that folder to install them with
    assert "Making .venv" not in done.stderr
    assert (copy / ".venv" / "installed").exists()


@pytest.mark.parametrize("file", ["local/requirements.txt", "requirements-dev.txt"])
def test_a_changed_file_makes_the_environment_anew(copy: Path, file: str) -> None:
    pretend_to_have_installed(copy, files=2)
    with (copy / file).open("a") as requirements:
        requirements.write("# changed\n")
    assert "Making .venv" in bootstrap(copy, "true").stderr
    assert not (copy / ".venv" / "installed").exists()
