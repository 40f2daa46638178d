"""A problem's header fields and body, without a socket: RFC 9457."""

import json

import pytest

from gateway.problems import RETRY_SOON, Problem


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
