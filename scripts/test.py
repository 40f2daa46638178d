"""Runs every test: `make test`, or with --slow those that take long: `make slow`.

Each part's tests run on this Python and, where a Docker engine answers, inside its image; the
end-to-end tests run against containers, else against processes. It ends at the first failure.
REQUIRE_CONTAINERS=1 makes it a failure that no engine answers.
"""

import os
import platform
import sys

from parts import IMAGES, PACKAGES, ROOT, docker_answers, heading, run

PYTEST = [sys.executable, "-m", "pytest"]
COVERAGE = ["--cov-branch", "--cov-report=term:skip-covered", "--cov-fail-under=95"]
BUILD = ["docker", "build", "--build-context", "chassis=chassis"]
FOLDERS = ("local", "scripts")
NO_TESTS_COLLECTED = 5


def main() -> None:
    """Run all suites and say which ran and which did not."""
    slow, docker = "--slow" in sys.argv[1:], docker_answers()
    if os.environ.get("REQUIRE_CONTAINERS") and not docker:
        sys.exit("No Docker engine answers, and REQUIRE_CONTAINERS asks for the container tests.")
    ran = test_slowly() if slow else test_on_this_python()
    skipped = "nothing"
    if docker and not slow:
        ran += test_in_images()
    elif not slow:
        skipped = "the parts inside their images, because no Docker engine answers"
    ran.append(test_end_to_end(slow, docker))
    heading(f"Passed: {'; '.join(ran)}. Skipped: {skipped}.")


def test_on_this_python() -> list[str]:
    for part, package in PACKAGES.items():
        suite(part, [*PYTEST, "-m", "not slow", f"--cov={package}", *COVERAGE], part)
    for folder in FOLDERS:
        suite(folder, PYTEST, folder)
    return [f"{name} on Python {platform.python_version()}" for name in (*PACKAGES, *FOLDERS)]


def test_slowly() -> list[str]:
    for part in PACKAGES:
        suite(part, [*PYTEST, "-m", "slow"], part, may_be_empty=True)
    return [f"the slow tests of {part}" for part in PACKAGES]


def test_in_images() -> list[str]:
    for part in IMAGES:
        image = f"inkwell-{part}-test"
        suite(f"{part}'s image", [*BUILD, "--target", "test", "--tag", image, part])
        suite(f"{part} in its image", ["docker", "run", "--rm", image])
    return [f"{part} in its image" for part in IMAGES]


def test_end_to_end(slow: bool, docker: bool) -> str:
    deployment = "containers" if docker else "processes"
    environment = {"E2E_DEPLOYMENT": deployment, **os.environ}
    command = [*PYTEST, "-m", "slow" if slow else "not slow"]
    suite("tests-e2e", command, "tests-e2e", environment, may_be_empty=slow)
    return f"tests-e2e against {os.environ.get('GATEWAY_URL') or environment['E2E_DEPLOYMENT']}"


def suite(
    name: str,
    command: list[str],
    folder: str = ".",
    environment: dict[str, str] | None = None,
    may_be_empty: bool = False,
) -> None:
    """Run one suite; end everything if it fails."""
    code = run(command, ROOT / folder, environment)
    if code != 0 and not (may_be_empty and code == NO_TESTS_COLLECTED):
        sys.exit(f"\n=== Failed: {name} (exit code {code}).")


if __name__ == "__main__":
    main()
