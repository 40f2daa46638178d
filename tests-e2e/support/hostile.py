"""Checks of the answers to hostile requests."""

import httpx

from chassis_testing.problem import CANARY
from support.inspection import inspect


def refused(answer: httpx.Response | None, *statuses: int) -> None:
    """Check that the answer has one of these statuses and repeats nothing sent but the path."""
    assert answer is not None, "closed without an answer"
    inspect(answer)
    assert answer.status_code in statuses, answer.text[:500]
    if answer.status_code >= 400:
        shown = {k: v for k, v in answer.json().items() if k != "instance"}
        shown["errors"] = [error | {"loc": ""} for error in shown.get("errors", [])]
        assert CANARY not in str(shown)
