"""Cross-origin requests: the Fetch standard, sections 3.3 and 4.8."""

from support.gateway import Start
from support.upstream import RawUpstream
from support.wire import PROBLEM


def asking(method: bytes, *lines: bytes) -> tuple[bytes, ...]:
    """A preflight of a listed origin."""
    return b"Origin: https://a.example", b"Access-Control-Request-Method: " + method, *lines


def test_only_listed_origins_are_granted_cors(gateway: Start, upstream: RawUpstream) -> None:
    """The Fetch standard, section 3.3."""
    running = gateway(upstream.url, cors_origins="https://a.example,https://b.example")
    good = running.get("/posts", b"Origin: https://a.example")
    assert good.all(b"access-control-allow-origin") == [b"https://a.example"]
    assert good.all(b"vary") == [b"Origin"]
    bad = running.get("/posts", b"Origin: https://evil.example")
    assert bad.all(b"access-control-allow-origin") == []
    upstream.requests.clear()
    preflight = (
        b"Origin: https://b.example",
        b"Access-Control-Request-Method: PATCH",
        b"Access-Control-Request-Headers: authorization,idempotency-key,if-match,if-none-match",
    )
    answer = running.get("/posts/1", *preflight, method="OPTIONS")
    assert (answer.status, upstream.requests) == (200, [])
    assert answer.all(b"access-control-allow-origin") == [b"https://b.example"]
    assert answer.all(b"access-control-allow-headers") == [
        b"authorization,idempotency-key,if-match,if-none-match"
    ]
    assert b"PATCH" in answer.all(b"access-control-allow-methods")[0]
    assert len(answer.all(b"x-request-id")) == 1


def test_a_preflight_is_granted_no_other_method_and_no_private_network(
    gateway: Start, upstream: RawUpstream
) -> None:
    """The Fetch standard, section 4.8: the browser compares what it asked for with this."""
    running = gateway(upstream.url, cors_origins="https://a.example")
    private = b"Access-Control-Request-Private-Network: true"
    for lines in (asking(b"PURGE"), asking(b"GET", private)):
        answer = running.get("/posts/1", *lines, method="OPTIONS")
        assert (answer.status, answer.body) == (200, b"")
        assert b"PURGE" not in answer.all(b"access-control-allow-methods")[0]
        assert answer.all(b"access-control-allow-private-network") == []
    assert upstream.requests == []


def test_a_preflight_of_another_origin_is_forwarded(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url, cors_origins="https://a.example")
    lines = (b"Origin: https://evil.example", b"Access-Control-Request-Method: GET")
    answer = running.get("/posts/1", *lines, method="OPTIONS")
    assert (answer.body, answer.all(b"access-control-allow-origin")) == (b"ok", [])
    assert len(upstream.requests) == 1


def test_a_preflight_is_checked_and_counted_like_any_request(
    gateway: Start, upstream: RawUpstream
) -> None:
    running = gateway(upstream.url, cors_origins="*", rate_limit="on")
    refused = running.get("/posts/../x", *asking(b"GET"), method="OPTIONS")
    assert (refused.status, refused.all(b"content-type")) == (400, PROBLEM)
    assert refused.all(b"access-control-allow-origin") == [b"*"]
    answers = [running.get("/users", *asking(b"GET"), method="OPTIONS") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]


def test_scripts_may_read_the_gateways_fields_and_the_upstreams_vary_stays(
    gateway: Start, upstream: RawUpstream
) -> None:
    upstream.reply = b"HTTP/1.1 200 OK\r\nVary: Accept\r\nVary: Cookie\r\nContent-Length: 0\r\n\r\n"
    running = gateway(upstream.url, cors_origins="https://a.example")
    answer = running.get("/posts", b"Origin: https://a.example")
    assert answer.all(b"vary") == [b"Accept", b"Cookie", b"Origin"]
    assert {b"X-Request-ID", b"ETag", b"Idempotent-Replayed", b"RateLimit-Policy"} <= {
        name.strip() for name in answer.all(b"access-control-expose-headers")[0].split(b",")
    }
