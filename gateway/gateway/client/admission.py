"""The admission of connections: there is a limit for all clients, and one for each client."""

from collections import Counter

from chassis.addresses import counted_as
from gateway.problems import RETRY_SOON, Problem
from gateway.routes import ClientLimits

# Connections beyond a limit are refused with a reason, those beyond this many times it are closed.
REFUSED_FACTOR = 2
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")  # where a container's health check comes from

OF_CLIENT = (429, "Too many connections come from this address.", RETRY_SOON)
OF_ALL = (503, "Too many clients are connected.", RETRY_SOON)


class Admission:
    """Counts the connections, of all clients and of each."""

    def __init__(self, limits: ClientLimits) -> None:
        self._most, self._most_of_client = limits.max_connections, limits.max_connections_per_client
        self._open = self._admitted = 0
        self._of_client: Counter[str] = Counter()

    def add(self, peer: str, *, is_proxy: bool) -> Problem | None:
        """Count a connection and return the limit that it exceeds; remove() must follow."""
        self._open += 1
        self._of_client[counted_as(peer)] += 1
        if not is_proxy and self._of_client[counted_as(peer)] > self._most_of_client:
            return Problem(*OF_CLIENT)
        if self._admitted >= self._most:
            return Problem(*OF_ALL)
        self._admitted += 1
        return None

    def is_far_beyond(self, peer: str, *, is_proxy: bool) -> bool:
        """Return whether so many connections are open that this one is closed unanswered."""
        of_client = 0 if is_proxy else self._of_client[counted_as(peer)]
        is_crowd = (
            of_client > REFUSED_FACTOR * self._most_of_client
            or self._open > REFUSED_FACTOR * self._most
        )
        return is_crowd and peer not in LOOPBACK

    def remove(self, peer: str, *, was_admitted: bool) -> None:
        """Stop counting a connection."""
        self._open -= 1
        self._admitted -= was_admitted
        client = counted_as(peer)
        self._of_client[client] -= 1
        if not self._of_client[client]:
            del self._of_client[client]
