"""An upstream that takes too long is 504, or breaks off a response that has begun."""

import threading

from support.gateway import Start
from support.upstream import RawUpstream, hang, send_and_hang
from support.waiting import PATIENCE
from support.wire import PROBLEM


def test_a_silent_upstream_is_504(gateway: Start, upstream: RawUpstream) -> None:
    """RFC 9110, section 15.6.5."""
    upstream.script = hang
    running = gateway(upstream.url, limits={"defaults": {"first_byte_timeout": 0.3}})
    answers = [running.get("/users", method=m, body=b) for m, b in (("GET", b""), ("POST", b"x"))]
    assert [answer.status for answer in answers] == [504, 504]
    assert answers[0].all(b"content-type") == PROBLEM
    assert len(upstream.requests) == 2


def test_an_upstream_that_falls_silent_in_mid_body_breaks_the_connection(
    gateway: Start, upstream: RawUpstream
) -> None:
    upstream.script = send_and_hang(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
    running = gateway(upstream.url, limits={"defaults": {"between_bytes_timeout": 0.3}})
    assert running.get("/posts").body == b"ab"


def test_an_upstream_that_stops_reading_a_body_is_504(
    gateway: Start, upstream: RawUpstream
) -> None:
    answered = threading.Event()
    upstream.script = lambda sock, _: hang(sock, b"") if answered.wait(PATIENCE) else None
    limits = {"defaults": {"between_bytes_timeout": 0.3}, "posts": {"max_body": 10_000_000}}
    running = gateway(upstream.url, limits=limits)
    assert running.get("/posts", method="POST", body=b"x" * 10_000_000).status == 504
    answered.set()
