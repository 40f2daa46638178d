"""The parts of the system, and how the scripts here run commands in their folders."""

import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# Each part is a folder with its import package. The chassis is copied into the others' images.
CHASSIS = "chassis"
FOLDERS = sorted(file.parent.name for file in ROOT.glob("*-service/pyproject.toml"))
SERVICES = {folder: folder.replace("-", "_") for folder in FOLDERS}
IMAGES = {**SERVICES, "gateway": "gateway"}
PACKAGES = {CHASSIS: "chassis", **IMAGES}


def project(part: str) -> dict[str, Any]:
    """Return the part's pyproject.toml."""
    return tomllib.loads((ROOT / part / "pyproject.toml").read_text())


def run(
    command: Sequence[str], folder: Path = ROOT, environment: Mapping[str, str] | None = None
) -> int:
    """Show and run a command; return its exit code."""
    where = "" if folder == ROOT else f"({folder.relative_to(ROOT)}) "
    heading(f"{where}{' '.join(command)}".replace(sys.executable, "python"))
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def heading(text: str) -> None:
    print(f"\n=== {text}", flush=True)
