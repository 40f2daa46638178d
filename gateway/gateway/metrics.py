"""The metrics that Prometheus reads."""

import socket
from functools import cache, partial
from http import HTTPStatus
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from gateway.http1 import METHODS

# A plain name, since Python 3.11 is slow to look up the members of an Enum.
INSUFFICIENT_STORAGE = HTTPStatus.INSUFFICIENT_STORAGE
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The metrics of one gateway, in a registry of its own.

    Label values come from the configuration or a fixed set, never from a client. Their children
    are kept, so that a call costs about a microsecond.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, namespace="gateway", registry=self.registry)
        gauge = partial(Gauge, namespace="gateway", registry=self.registry)
        self.retried = counter("retries", "Requests sent to a replica once more", ["upstream"])
        self.left_out = counter(
            "replicas_left_out",
            "Times that a replica was left out until a probe succeeds",
            ["upstream"],
        )
        self.limited = counter("limited", "Requests refused by a rate limit", ["route"])
        self.store_failures = counter(
            "rate_limit_store_failures",
            "Times that the store of rate limits failed, so that requests were counted here",
        )
        self.upstream_up = gauge("upstream_up", "1 if a replica is well", ["upstream"])
        self.replica_up = gauge("replica_up", "1 if the replica is well", ["upstream", "replica"])
        self._storage_full = counter(
            "storage_full", "Answers that say that the storage of an upstream is full", ["upstream"]
        )
        in_flight = gauge("in_flight", "Requests being answered", ["route"])
        durations = Histogram(  # its _count is the number of requests
            "request_duration_seconds",
            "Time from a request's head to the end of its response",
            ["route", "upstream", "method", "status"],
            namespace="gateway",
            registry=self.registry,
            buckets=BUCKETS,
        )
        self._in_flight = cache(in_flight.labels)
        self._durations = cache(durations.labels)

    def started(self, route: str) -> None:
        """Count a request that begins; finished() must follow."""
        self._in_flight(route).inc()

    def finished(self, route: str, upstream: str, method: str, status: int, seconds: float) -> None:
        """Count a request that ended; the upstream is that of its route, or "" without a route."""
        self._in_flight(route).dec()
        if status == INSUFFICIENT_STORAGE:
            self._storage_full.labels(upstream).inc()
        method = method if method in METHODS else "other"
        self._durations(route, upstream, method, f"{status // 100}xx").observe(seconds)


class _Handler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


def serve_metrics(bound: socket.socket, registry: CollectorRegistry) -> None:
    """Answer at a socket with the metrics, in threads that end with the process."""
    host, port = bound.getsockname()[:2]
    server = ThreadingWSGIServer((host, port), _Handler, bind_and_activate=False)
    server.socket.close()
    server.socket, server.server_name, server.server_port = bound, host, port
    server.setup_environ()
    server.set_app(make_wsgi_app(registry))
    server.server_activate()
    Thread(target=server.serve_forever, daemon=True).start()
