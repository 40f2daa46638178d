"""The environment is made from the locked requirements, or its maker is told why not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNREACHABLE = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A tree with nothing but what the environment is made from."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "bootstrap.py", tmp_path / "scripts")
    shutil.copy(ROOT / "requirements-dev.txt", tmp_path)
    return tmp_path


def bootstrap(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, str(root / "scripts" / "bootstrap.py"), *command]
    environment = {**os.environ, **UNREACHABLE}
    return subprocess.run(script, env=environment, capture_output=True, text=True, check=False)


def test_without_a_package_index_it_says_so_and_tries_again_the_next_time(copy: Path) -> None:
    for _ in range(2):
        done = bootstrap(copy, "true")
        assert done.returncode == 1
        assert done.stderr.endswith("(is the package index reachable?).\n"), done.stderr


def test_a_folder_in_its_way_is_one_sentence(copy: Path) -> None:
    (copy / ".venv").write_text("not a folder")
    done = bootstrap(copy, "true")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("The virtual environment"), done.stderr
    assert "Traceback" not in done.stderr
