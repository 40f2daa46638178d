"""The ASGI extension by which a client's connection reports an invalid request to the proxy."""

from collections.abc import Mapping
from typing import Any

from gateway.problems import Problem

EXTENSION = "inkwell.fault"


class Fault:
    """The answer that a request needs because it is invalid, if it is.

    It may be there from the start or come while the body is received; receive() returns then.
    """

    problem: Problem | None = None


def fault_of(scope: Mapping[str, Any]) -> Fault:
    """Return the fault of a request. Another server than ours answers invalid requests itself."""
    fault: Fault | None = scope.get("extensions", {}).get(EXTENSION)
    return fault or Fault()
