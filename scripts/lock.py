"""Locks every requirements file with hashes: `make lock`. Options go to uv, e.g. --upgrade.

requirements-dev.txt at the root holds all that development needs. It is locked first and bounds
the parts' files, so that a package has one version everywhere. In a part's folder,
requirements.txt is what it runs with, and requirements-test.txt what its tests need besides.
"""

import sys

from parts import PACKAGES, ROOT, run

COMPILE = [
    *(sys.executable, "-m", "uv", "pip", "compile", "--quiet"),
    *("--universal", "--python-version", "3.11", "--generate-hashes"),
    *("--no-emit-index-url", "--no-emit-find-links", "--no-annotate"),
    *("--custom-compile-command", "make lock"),
    *sys.argv[1:],
]


def main() -> None:
    """Lock the root's file, then the parts'."""
    projects = [f"{part}/pyproject.toml" for part in PACKAGES]
    groups = [f"--group={project}:test" for project in projects]
    lock(".", "requirements-dev.txt", [*projects, *groups, "requirements-dev.in"])
    for part in PACKAGES:
        bound = ["--constraint", "../requirements-dev.txt"]
        lock(part, "requirements.txt", ["pyproject.toml", *bound])
        lock(part, "requirements-test.txt", ["--group", "test", "-c", "requirements.txt", *bound])


def lock(folder: str, output: str, inputs: list[str]) -> None:
    """Lock one file; what it holds already stays unless that no longer fits."""
    if run([*COMPILE, *inputs, "--output-file", output], ROOT / folder) != 0:
        sys.exit(f"{folder}/{output} could not be locked: the reason is above.")


if __name__ == "__main__":
    main()
