"""`make test` says which suite it is at, what is left, and how it ended."""

import re
import sys
from pathlib import Path

import pytest

import test
from test import Suite, end_to_end, run_all

PASSES = [sys.executable, "-c", "pass"]
ENDS_WITH_5 = [sys.executable, "-c", "exit(5)"]


@pytest.fixture(autouse=True)
def last_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a last run that never was."""
    file = tmp_path / "suite-seconds.json"
    monkeypatch.setattr(test, "LAST_RUN", file)
    return file


def test_each_suite_is_announced_with_those_that_are_left(
    capfd: pytest.CaptureFixture[str],
) -> None:
    seconds = run_all([Suite("one", PASSES), Suite("two", PASSES), Suite("three", PASSES)])
    assert len(seconds) == 3
    output = capfd.readouterr().out
    assert re.search(r"=== 1 of 3: one \(after [\d.]+ minutes; then two, three\)\n", output)
    assert "=== 3 of 3: three" in output


def test_the_first_failure_ends_it_and_names_what_did_not_run() -> None:
    with pytest.raises(SystemExit, match=r"Failed: two \(exit code 5\)\. Not run: three\."):
        run_all([Suite("one", PASSES), Suite("two", ENDS_WITH_5), Suite("three", PASSES)])


def test_a_suite_without_tests_fails_unless_it_may_be_empty() -> None:
    assert len(run_all([Suite("one", ENDS_WITH_5, may_be_empty=True)])) == 1


def test_the_next_run_says_how_long_the_last_one_took(
    capfd: pytest.CaptureFixture[str], last_run: Path
) -> None:
    run_all([Suite("one", PASSES), Suite("two", PASSES)])
    assert "left by the last run" not in capfd.readouterr().out
    last_run.write_text('{"one": 60, "two": 90}')
    run_all([Suite("one", PASSES), Suite("two", PASSES), Suite("three", PASSES)])
    assert "left by the last run" not in capfd.readouterr().out, "nobody knows the third"
    last_run.write_text('{"one": 60, "two": 90}')
    run_all([Suite("one", PASSES), Suite("two", PASSES)])
    output = capfd.readouterr().out
    assert re.search(r"1 of 2: one \(after 0.0 minutes, 2.5 minutes left by the last run;", output)
    assert re.search(r"2 of 2: two \(after [\d.]+ minutes, 1.5 minutes left by the", output)


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"one": null}', '{"one": []}'])
def test_a_last_run_that_cannot_be_read_is_as_good_as_none(last_run: Path, text: str) -> None:
    last_run.write_text(text)
    assert len(run_all([Suite("one", PASSES)])) == 1


def test_a_last_run_that_cannot_be_kept_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test, "LAST_RUN", tmp_path / "no" / "folder")
    assert len(run_all([Suite("one", PASSES)])) == 1


def test_it_never_writes_to_a_deployment_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_URL", "http://127.0.0.1:9")
    suite = end_to_end(slow=False, docker=False)
    assert suite.environment is not None
    assert "GATEWAY_URL" not in suite.environment
