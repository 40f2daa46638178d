"""The check of the locked requirements, which asks no package index."""

import os
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from parts import CHASSIS, IMAGES, PACKAGES, ROOT, SERVICES, project

PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==([^\s;\\]+)", re.MULTILINE)
HOST_OR_PATH = re.compile(
    r"^.*(?://|^-i|^--(?:index|extra-index|find-links)|\s/|file:).*$", re.MULTILINE
)

Pins = dict[str, set[str]]  # several versions where they depend on the Python


def problems() -> list[str]:
    """Return one sentence for each problem."""
    pins = pins_of(ROOT / "requirements-dev.txt")
    found: list[str] = []
    for name, declared in locked_files().items():
        file = ROOT / name
        found += [*hosts_and_paths(file), *unlocked(declared, file), *differing(file, pins)]
    return found


def locked_files() -> dict[str, list[str]]:
    """Return the locked files, each with the dependencies that it must pin."""
    run = [*listed("local/requirements.in"), *chain.from_iterable(map(dependencies, PACKAGES))]
    test = [*listed("requirements-dev.in"), *chain.from_iterable(map(test_group, PACKAGES))]
    files = {"requirements-dev.txt": [*run, *test], "local/requirements.txt": run}
    for part in IMAGES:
        files[f"{part}/requirements.txt"] = dependencies(part)
        files[f"{part}/requirements-test.txt"] = test_group(part)
    return files


def listed(file: str) -> list[str]:
    """Return the lines of a file without its comments."""
    lines = (ROOT / file).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def dependencies(part: str) -> list[str]:
    """Return what a part, and the chassis in it, need to run."""
    chassis = project(CHASSIS)["project"]
    service = chassis["optional-dependencies"]["service"] if part in SERVICES else []
    return [*chassis["dependencies"], *service, *project(part)["project"]["dependencies"]]


def test_group(part: str) -> list[str]:
    group: list[str] = project(part)["dependency-groups"]["test"]
    return group


def pins_of(file: Path) -> Pins:
    pins: Pins = {}
    for name, version in PIN.findall(file.read_text()):
        pins.setdefault(canonicalize_name(name), set()).add(version)
    return pins


def hosts_and_paths(file: Path) -> Iterator[str]:
    for line in HOST_OR_PATH.findall(file.read_text()):
        yield f"{label(file)} names a host or a path: {line.strip()}"


def label(file: Path) -> str:
    return os.path.relpath(file, ROOT)


def unlocked(declared: list[str], file: Path) -> Iterator[str]:
    """Yield the dependencies that a file does not pin to a version as declared."""
    pins = pins_of(file)
    for dependency in map(Requirement, declared):
        versions = pins.get(canonicalize_name(dependency.name), set())
        if not any(dependency.specifier.filter(versions)):
            yield f"{label(file)} does not lock {dependency}: run make lock"


def differing(file: Path, pins: Pins) -> Iterator[str]:
    """Yield the packages whose version differs from the one in the root's file."""
    for name, versions in pins_of(file).items():
        if not versions <= pins.get(name, set()):
            yield f"{label(file)} locks another {name} than requirements-dev.txt"
