"""A `docker` that is missing, fails or hangs counts as no engine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chassis_testing import docker
from chassis_testing.docker import docker_answers

Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """A function that makes a script the only `docker` of this machine."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(script: str) -> None:
        program = tmp_path / "docker"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return install


def test_an_engine_with_compose_answers(install: Install) -> None:
    install("exit 0")
    assert docker_answers()


@pytest.mark.parametrize("script", ["exit 1", '[ "$1" != compose ]'])
def test_an_engine_that_fails_or_has_no_compose_is_none(install: Install, script: str) -> None:
    install(script)
    assert not docker_answers()


@pytest.mark.usefixtures("install")
def test_without_docker_there_is_no_engine() -> None:
    assert not docker_answers()


def test_an_engine_that_hangs_is_none(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "SECONDS", 0.1)
    install("exec /bin/sleep 600")
    assert not docker_answers()
