"""Which connections are admitted: there is a limit for all clients, and one for each of them."""

from collections import Counter

from chassis.addresses import counted_as
from gateway.problems import RETRY_SOON, Problem
from gateway.routes import ClientLimits

ROOM = 2  # times a limit of connections: those beyond the limit are told why, any more are closed
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")  # where a container's health check comes from

OF_CLIENT = (429, "Too many connections come from this address.", RETRY_SOON)
OF_ALL = (503, "Too many clients are connected.", RETRY_SOON)


class Admission:
    """Counts the connections, of all clients and of each."""

    def __init__(self) -> None:
        self._open = self._admitted = 0
        self._of_client: Counter[str] = Counter()

    def add(self, peer: str, limits: ClientLimits, *, is_proxy: bool) -> Problem | None:
        """Count a connection and return the limit that it exceeds; remove() must follow."""
        self._open += 1
        self._of_client[counted_as(peer)] += 1
        if not is_proxy and self._of_client[counted_as(peer)] > limits.max_connections_per_client:
            return Problem(*OF_CLIENT)
        if self._admitted >= limits.max_connections:
            return Problem(*OF_ALL)
        self._admitted += 1
        return None

    def is_far_beyond(self, peer: str, limits: ClientLimits, *, is_proxy: bool) -> bool:
        """Return whether there are so many that a connection is not even told why."""
        of_client = 0 if is_proxy else self._of_client[counted_as(peer)]
        return peer not in LOOPBACK and (
            of_client > ROOM * limits.max_connections_per_client
            or self._open > ROOM * limits.max_connections
        )

    def remove(self, peer: str, *, was_admitted: bool) -> None:
        """Count a connection no more."""
        self._open -= 1
        self._admitted -= was_admitted
        client = counted_as(peer)
        self._of_client[client] -= 1
        if not self._of_client[client]:
            del self._of_client[client]
