"""Checks of the answers to hostile requests."""

import httpx

from support.inspection import inspect

CANARY = "cAnAry7f3e"  # sent where an answer must not repeat it


def refused(answer: httpx.Response | None, *statuses: int) -> None:
    """Check that the answer has one of these statuses and repeats nothing sent but the path."""
    assert answer is not None, "closed without an answer"
    inspect(answer)
    assert answer.status_code in statuses, answer.text[:500]
    if answer.status_code >= 400:
        shown = {k: v for k, v in answer.json().items() if k != "instance"}
        shown["errors"] = [error | {"loc": ""} for error in shown.get("errors", [])]
        assert CANARY not in str(shown)


def short(value: object) -> str:
    """Return a table's row as a test's name."""
    return ascii(value)[:40]
