"""Log lines of a gateway that runs in the test's own process."""

import json
from typing import Any

import pytest

from support.waiting import eventually
from support.wire import Answer


def logged(capfd: pytest.CaptureFixture[str], answer: Answer) -> dict[str, Any]:
    """Wait for the line of the request that had this answer."""
    (sent_id,) = answer.all(b"x-request-id")
    found: list[str] = []

    def is_there() -> bool:
        lines = capfd.readouterr().out.splitlines()
        found.extend(line for line in lines if sent_id.decode() in line)
        return bool(found)

    eventually(is_there)
    return dict(json.loads(found[0]))
