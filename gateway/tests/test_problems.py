"""The gateway's own refusals and failures are problems: RFC 9457."""

import json
from typing import Any

import pytest
from support.gateway import Start
from support.upstream import RawUpstream
from support.wire import PROBLEM

from gateway.problems import RETRY_SOON, Problem
from gateway.proxy.middleware import Proxy


@pytest.mark.parametrize(("path", "status"), [("/nope", 404), ("/livez", 405)])
def test_the_gateways_own_refusals_are_problems(
    gateway: Start, upstream: RawUpstream, path: str, status: int
) -> None:
    """RFC 9457."""
    answer = gateway(upstream.url).get(f"{path}?q", b"X-Request-ID: mine", method="POST")
    problem = json.loads(answer.body)
    assert list(problem) == ["type", "title", "status", "detail", "instance", "request_id"]
    assert (problem["status"], problem["instance"], problem["request_id"]) == (status, path, "mine")
    if status == 405:
        assert answer.all(b"allow")


def test_an_unexpected_error_is_a_500_without_its_text(
    gateway: Start, upstream: RawUpstream, capfd: pytest.CaptureFixture[str]
) -> None:
    running = gateway(upstream.url)

    async def fail(*_: Any) -> None:
        raise RuntimeError("secret")

    running.app.proxy.limiter.check = fail  # type: ignore[method-assign,assignment]
    object.__setattr__(running.app.proxy.settings, "rate_limit", "on")
    answer = running.get("/posts")
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert "secret" not in "".join(
        line for line in capfd.readouterr().out.splitlines() if "{" in line
    )


def test_an_unexpected_error_of_a_page_is_a_500(
    gateway: Start, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Proxy) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(Proxy, "statuses", fail)
    running = gateway(upstream.url)
    for path in ("/", "/readyz"):
        answer = running.get(path)
        assert (answer.status, answer.all(b"content-type")) == (500, PROBLEM)
        assert json.loads(answer.body)["detail"] == "Something went wrong here."


# Without a socket.


def test_a_problem_has_its_members_in_order_and_its_headers() -> None:
    fields, body = Problem(503, "It is down.", RETRY_SOON).render(b"/posts", b"an-id")
    assert fields == [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"retry-after", b"1"),
    ]
    assert list(json.loads(body).items()) == [
        ("type", "about:blank"),
        ("title", "Service Unavailable"),
        ("status", 503),
        ("detail", "It is down."),
        ("instance", "/posts"),
        ("request_id", "an-id"),
    ]


def test_more_members_follow_the_standard_ones() -> None:
    _, body = Problem(503, "Not ready.", checks={"a": "down"}).render(b"/readyz", b"1")
    assert list(json.loads(body))[-1] == "checks"


@pytest.mark.parametrize("path", [b"/posts/\xff", b'/posts/"', b"/posts/\x00", b"/\xe4\xb8\xad"])
def test_any_path_makes_an_instance_of_printable_ascii(path: bytes) -> None:
    _, body = Problem(404, "Nothing is here.").render(path, b"1")
    assert body.isascii()
    assert body.decode().isprintable()
    assert json.loads(body)["instance"].startswith("/")
