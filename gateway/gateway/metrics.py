"""What Prometheus reads: requests, durations, in-flight, retries, replicas left out, limits."""

from collections.abc import Callable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway.config import METHODS

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """One gateway's metrics, in a registry of its own.

    Label values come from the configuration or a fixed set, never from a client, and their
    children are kept, so that a call costs about a microsecond.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.retried = self._counter("retries", "Requests sent once more", "upstream")
        self.replica_left_out = self._counter(
            "replicas_left_out", "Replicas asked no more until a probe finds them well", "upstream"
        )
        self.limited = self._counter("limited", "Requests refused by a rate limit", "route")
        in_flight = Gauge(
            "gateway_in_flight", "Requests being answered", ["route"], registry=self.registry
        )
        durations = Histogram(  # its _count is the number of requests
            "gateway_request_duration_seconds",
            "Time from a request's head to the end of its answer",
            ["route", "upstream", "method", "status"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._in_flight = cache(in_flight.labels)
        self._durations = cache(durations.labels)

    def started(self, route: str) -> None:
        """Count a request that begins; finished() must follow."""
        self._in_flight(route).inc()

    def finished(self, route: str, upstream: str, method: str, status: int, seconds: float) -> None:
        """Count a request that ended; upstream is "" when none was asked."""
        self._in_flight(route).dec()
        method = method if method in METHODS else "other"
        self._durations(route, upstream, method, f"{status // 100}xx").observe(seconds)

    def _counter(self, name: str, documentation: str, label: str) -> Callable[[str], None]:
        """Return a function that counts one more of its argument."""
        counter = Counter(f"gateway_{name}", documentation, [label], registry=self.registry)
        return lambda value: counter.labels(value).inc()
