"""Run every test: `make test`, or with --slow those that take long: `make slow`.

The tests of each part run on this Python and, where a Docker engine answers, inside its image. The
end-to-end tests run against containers, or else against processes. The first failure ends it all.
REQUIRE_CONTAINERS=1 makes a missing engine a failure.
"""

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chassis_testing.docker import docker_answers
from parts import IMAGES, PACKAGES, ROOT, heading, run

PYTEST = [sys.executable, "-m", "pytest"]
COVERAGE = ["--cov-branch", "--cov-report=term:skip-covered", "--cov-fail-under=95"]
BUILD = ["docker", "build", "--build-context", "chassis=chassis"]
FOLDERS = ("local", "scripts")
NO_TESTS_COLLECTED = 5
LAST_RUN = Path(sys.prefix) / "suite-seconds.json"  # how long each suite took when it last passed


@dataclass(frozen=True)
class Suite:
    """A command that fails if one of its tests does."""

    name: str
    command: Sequence[str]
    folder: str = "."
    environment: Mapping[str, str] | None = None
    may_be_empty: bool = False


def main() -> None:
    """Run all suites, one after another, and say at the end what ran and how long it took."""
    # Tests send SIGINT to what they start, which a job in the background would inherit as ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    slow, docker = "--slow" in sys.argv[1:], docker_answers()
    if os.environ.get("REQUIRE_CONTAINERS") and not docker:
        sys.exit("No Docker engine answers, and REQUIRE_CONTAINERS asks for the container tests.")
    suites = slow_suites() if slow else suites_on_this_python()
    if docker and not slow:
        suites += suites_in_images()
    suites.append(end_to_end(slow, docker))
    try:
        seconds = run_all(suites)
    finally:
        if docker:
            remove_images()
    lines = [f"{taken:6.0f} s  {suite.name}" for suite, taken in zip(suites, seconds, strict=True)]
    title = f"Passed on Python {platform.python_version()} in {minutes(sum(seconds))}:"
    heading("\n".join([title, *lines]))
    if not (docker or slow):
        heading("Skipped: the parts inside their images, because no Docker engine answers.")


def suites_on_this_python() -> list[Suite]:
    command = [*PYTEST, "-m", "not slow", *COVERAGE]
    parts = [Suite(part, [*command, f"--cov={name}"], part) for part, name in PACKAGES.items()]
    return [*parts, *(Suite(folder, PYTEST, folder) for folder in FOLDERS)]


def slow_suites() -> list[Suite]:
    command = [*PYTEST, "-m", "slow"]
    return [
        Suite(f"the slow tests of {part}", command, part, may_be_empty=True) for part in PACKAGES
    ]


def suites_in_images() -> list[Suite]:
    suites = []
    for part in IMAGES:
        image = test_image(part)
        build = [*BUILD, "--target", "test", "--tag", image, part]
        suites.append(Suite(f"{part}'s image", build))
        suites.append(Suite(f"{part} in its image", ["docker", "run", "--rm", image]))
    return suites


def test_image(part: str) -> str:
    """Return the name of a part's image for this run alone."""
    return f"inkwell-test-{os.getpid()}-{part}"


def remove_images() -> None:
    command = ["docker", "image", "rm", "--force", *map(test_image, IMAGES)]
    subprocess.run(command, capture_output=True, check=False)


def end_to_end(slow: bool, docker: bool) -> Suite:
    """Return the end-to-end tests against a deployment of their own, whatever GATEWAY_URL says."""
    deployment = "containers" if docker else "processes"
    environment = {"E2E_DEPLOYMENT": deployment, **os.environ}
    environment.pop("GATEWAY_URL", None)
    command = [*PYTEST, "-m", "slow" if slow else "not slow"]
    name = f"tests-e2e against {environment['E2E_DEPLOYMENT']}"
    return Suite(name, command, "tests-e2e", environment, slow)


def run_all(suites: Sequence[Suite]) -> list[float]:
    """Run the suites and return the seconds of each; exit at the first that fails."""
    began = time.monotonic()
    seconds: list[float] = []
    last_run = read_last_run()
    for number, suite in enumerate(suites):
        then = ", ".join(later.name for later in suites[number + 1 :]) or "nothing"
        elapsed = minutes(time.monotonic() - began)
        left = time_left(suites[number:], last_run)
        heading(f"{number + 1} of {len(suites)}: {suite.name} (after {elapsed}{left}; then {then})")
        began_suite = time.monotonic()
        code = run(suite.command, ROOT / suite.folder, suite.environment)
        if code != 0 and not (suite.may_be_empty and code == NO_TESTS_COLLECTED):
            sys.exit(f"\n=== Failed: {suite.name} (exit code {code}). Not run: {then}.")
        seconds.append(time.monotonic() - began_suite)
        last_run[suite.name] = seconds[-1]
        with suppress(OSError):  # only an estimate is lost
            LAST_RUN.write_text(json.dumps(last_run))
    return seconds


def read_last_run() -> dict[str, float]:
    """Return how long each suite took when it last passed, as far as that is known."""
    try:
        return {str(name): float(taken) for name, taken in json.loads(LAST_RUN.read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def time_left(suites: Sequence[Suite], last_run: Mapping[str, float]) -> str:
    """Return what the last run says about the time that these suites take."""
    if not all(suite.name in last_run for suite in suites):
        return ""
    return f", {minutes(sum(last_run[suite.name] for suite in suites))} left by the last run"


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes"


if __name__ == "__main__":
    main()
