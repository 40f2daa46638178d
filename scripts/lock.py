"""Lock every requirements file with hashes: `make lock`. Options go to uv, e.g. --upgrade.

requirements-dev.txt in the root folder has everything that development needs. It is locked first
and constrains the others, so that each package has one version everywhere. local/requirements.txt
is what `make run` installs. In the folder of a part that has an image, requirements.txt is what
the part runs with, and requirements-test.txt is what its tests add.
"""

import sys

from parts import CHASSIS, IMAGES, PACKAGES, ROOT, SERVICES, run

COMPILE = [
    *(sys.executable, "-m", "uv", "pip", "compile", "--quiet"),
    *("--universal", "--python-version", "3.11", "--generate-hashes"),
    *("--no-emit-index-url", "--no-emit-find-links", "--no-annotate"),
    *("--custom-compile-command", "make lock"),
    *sys.argv[1:],
]
PROJECTS = [f"{part}/pyproject.toml" for part in PACKAGES]
SERVICE = ["--extra", "service"]  # of the chassis


def main() -> None:
    """Lock the root's file, then the others."""
    groups = [f"--group={project}:test" for project in PROJECTS]
    inputs = ["requirements-dev.in", "local/requirements.in"]
    lock(".", "requirements-dev.txt", [*PROJECTS, *SERVICE, *groups, *inputs])
    constrained = ["--constraint", "../requirements-dev.txt"]
    projects = [f"../{project}" for project in PROJECTS]
    lock("local", "requirements.txt", [*projects, *SERVICE, "requirements.in", *constrained])
    for part in IMAGES:
        extra = SERVICE if part in SERVICES else []
        projects = [f"../{CHASSIS}/pyproject.toml", "pyproject.toml"]
        lock(part, "requirements.txt", [*projects, *extra, *constrained])
        tests = ["--group", "test", "--constraint", "requirements.txt"]
        lock(part, "requirements-test.txt", [*tests, *constrained])


def lock(folder: str, output: str, inputs: list[str]) -> None:
    """Lock one file. The versions in it stay where they still fit."""
    if run([*COMPILE, *inputs, "--output-file", output], ROOT / folder) != 0:
        sys.exit(f"{folder}/{output} could not be locked: the reason is above.")


if __name__ == "__main__":
    main()
