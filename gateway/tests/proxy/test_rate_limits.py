"""Rate limits as clients meet them: RFC 6585, section 4."""

import pytest
from support.gateway import Pair, Start
from support.upstream import RawUpstream


def test_an_upstreams_rate_limit_fields_are_removed(pair: Pair) -> None:
    gateway, raw = pair
    raw.reply = (
        b"HTTP/1.1 200 OK\r\nRateLimit: x\r\nRateLimit-Policy: y\r\nContent-Length: 0\r\n\r\n"
    )
    answer = gateway.get("/posts")
    assert answer.all(b"ratelimit") == answer.all(b"ratelimit-policy") == []


def test_too_many_requests_are_429(gateway: Start, upstream: RawUpstream) -> None:
    """RFC 6585, section 4."""
    running = gateway(upstream.url, rate_limit="on")
    forged = [b"X-Forwarded-For: 10.0.0.%d" % index for index in range(11)]
    answers = [running.get("/auth/token", field, method="POST") for field in forged]
    assert [answer.status for answer in answers] == [200] * 10 + [429]
    assert int(answers[-1].all(b"retry-after")[0]) > 0
    assert answers[0].all(b"ratelimit")
    assert running.get("/posts").status == 200
    assert running.metric("gateway_limited_total", route="/auth") == 1
    assert running.metric("gateway_limited_total", route="/posts") is None


@pytest.mark.parametrize("spelling", ["/auth/token%0A", "/auth/token%00", "/auth/token%0D%0A"])
def test_no_spelling_of_a_path_gets_around_its_limit(
    gateway: Start, upstream: RawUpstream, spelling: str
) -> None:
    running = gateway(upstream.url, rate_limit="on")
    assert running.get(spelling, method="POST").status == 404
    assert upstream.requests == []


def test_clients_behind_a_trusted_proxy_are_counted_separately(
    gateway: Start, upstream: RawUpstream
) -> None:
    running = gateway(upstream.url, rate_limit="on", trusted_proxies="127.0.0.1")

    def statuses(forwarded: bytes) -> list[int]:
        field = b"X-Forwarded-For: " + forwarded
        return [running.get("/auth/token", field, method="POST").status for _ in range(11)]

    assert statuses(b"192.0.2.1") == [200] * 10 + [429]
    assert statuses(b"6.6.6.6, 192.0.2.1") == [429] * 11  # the proxy itself added only the last
    assert statuses(b"192.0.2.2") == [200] * 10 + [429]
