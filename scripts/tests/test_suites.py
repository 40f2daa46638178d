"""`make test` says which suite it is at, what is left, and how it ended."""

import re
import sys

import pytest

from test import Suite, run_all

PASSES = [sys.executable, "-c", "pass"]
ENDS_WITH_5 = [sys.executable, "-c", "exit(5)"]


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
