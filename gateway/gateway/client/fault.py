"""Reports of a client's connection to the proxy: an invalid request, or a client that has left."""

from collections.abc import Mapping
from typing import Any

from gateway.problems import Problem

EXTENSION = "inkwell.fault"  # of ASGI
CLIENT_LEFT = "the client has left"  # the message with which the task of a request is cancelled


class Fault:
    """The problem of an invalid request, or None.

    It may be set from the start, or while the body is received; receive() returns then.
    """

    problem: Problem | None = None


def fault_of(scope: Mapping[str, Any]) -> Fault:
    """Return the fault of a request. Other servers answer invalid requests themselves."""
    fault: Fault | None = scope.get("extensions", {}).get(EXTENSION)
    return fault or Fault()
