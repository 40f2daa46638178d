"""Check format, lint, types, Dockerfiles, compose and requirements: `make check`.

Every check runs; the last line names those that failed.
"""

import os
import sys
from pathlib import Path

import requirements
from chassis_testing.docker import docker_answers
from parts import IMAGES, PACKAGES, ROOT, heading, run

RUFF = [sys.executable, "-m", "ruff"]
# DL3022 takes the build context `chassis` for a stage that is missing.
HADOLINT = [str(Path(sys.executable).with_name("hadolint")), "--ignore", "DL3022"]
MYPY = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml")]
TYPED_FOLDERS = (*PACKAGES, "local", "scripts", "tests-e2e")


def main() -> None:
    """Run all checks; exit with 1 if any failed."""
    results = {
        "format": run([*RUFF, "format", "--check", "."]) == 0,
        "lint": run([*RUFF, "check", "."]) == 0,
        **{f"types of {folder}": types_hold(folder) for folder in TYPED_FOLDERS},
        "types of benchmarks": types_of_benchmarks_hold(),
        "Dockerfiles": run([*HADOLINT, *dockerfiles()]) == 0,
        "compose": compose_holds(),
        "requirements": requirements_hold(),
    }
    failed = [name for name, holds in results.items() if not holds]
    heading(f"Failed: {', '.join(failed)}." if failed else "Every check passed.")
    sys.exit(1 if failed else 0)


def types_hold(folder: str) -> bool:
    """Check a folder on its own, since several have a tests/conftest.py."""
    return mypy(".", ROOT / folder, "tests", "../chassis")


def types_of_benchmarks_hold() -> bool:
    """Check the package `benchmarks`, which imports from local/ as well."""
    return mypy("benchmarks", ROOT, "local", "chassis")


def mypy(target: str, folder: Path, *imported: str) -> bool:
    return run([*MYPY, target], folder, {**os.environ, "MYPYPATH": ":".join(imported)}) == 0


def dockerfiles() -> list[str]:
    return [f"{folder}/Dockerfile" for folder in (*IMAGES, "platform-service/database")]


def compose_holds() -> bool:
    if docker_answers():
        return run(["docker", "compose", "config", "--quiet"]) == 0
    heading("docker compose config: skipped, because no Docker engine answers")
    return True


def requirements_hold() -> bool:
    heading("requirements: no host or path, each direct dependency locked, one version of each")
    problems = requirements.problems()
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    return not problems


if __name__ == "__main__":
    main()
