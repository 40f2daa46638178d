"""The reports of a client's connection to the proxy: an invalid request, a client that has left."""

from collections.abc import Mapping
from typing import Any

from gateway.problems import Problem

EXTENSION = "inkwell.fault"  # of ASGI
CLIENT_LEFT = "the client has left"  # the message with which the task of a request is cancelled


class Fault:
    """The answer that a request needs because it is invalid, if it is.

    It may be there from the start or come while the body is received; receive() returns then.
    """

    problem: Problem | None = None


def fault_of(scope: Mapping[str, Any]) -> Fault:
    """Return the fault of a request. Another server than ours answers invalid requests itself."""
    fault: Fault | None = scope.get("extensions", {}).get(EXTENSION)
    return fault or Fault()
