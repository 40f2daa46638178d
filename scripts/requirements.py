"""What can be wrong with the locked requirements, without asking an index."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from parts import PACKAGES, ROOT, project

PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==([^\s;\\]+)", re.MULTILINE)
HOST_OR_PATH = re.compile(
    r"^.*(?://|^-i|^--(?:index|extra-index|find-links)|\s/|file:).*$", re.MULTILINE
)

Pins = dict[str, set[str]]  # several versions where they depend on the Python


def problems() -> list[str]:
    """One sentence each."""
    everything = ROOT / "requirements-dev.txt"
    pins = pins_of(everything)
    found = [*hosts_and_paths(everything), *unlocked(development(), everything)]
    for part in PACKAGES:
        runs, tests = ROOT / part / "requirements.txt", ROOT / part / "requirements-test.txt"
        declared = project(part)
        found += unlocked(declared["project"]["dependencies"], runs, everything)
        found += unlocked(declared["dependency-groups"]["test"], tests, everything)
        for file in (runs, tests):
            found += [*hosts_and_paths(file), *differing(file, pins)]
    return found


def development() -> list[str]:
    lines = (ROOT / "requirements-dev.in").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


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


def unlocked(declared: list[str], *files: Path) -> Iterator[str]:
    """Direct dependencies that a file does not pin, or not as they are declared."""
    for file in files:
        pins = pins_of(file)
        for dependency in map(Requirement, declared):
            versions = pins.get(canonicalize_name(dependency.name), set())
            if not any(dependency.specifier.filter(versions)):
                yield f"{label(file)} does not lock {dependency}: run make lock"


def differing(file: Path, pins: Pins) -> Iterator[str]:
    """Packages that have another version in the file than at the root."""
    for name, versions in pins_of(file).items():
        if not versions <= pins.get(name, set()):
            yield f"{label(file)} locks another {name} than requirements-dev.txt"
