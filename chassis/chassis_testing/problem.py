"""The shape of every error (RFC 9457), and the values that none may show."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import httpx

CANARY = "cAnArY"
INVALID = 422
# The titles that Python 3.11 and 3.12 know by the names of an older standard.
RENAMED = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
KEYS = ["type", "title", "status", "detail", "instance", "request_id"]


def assert_problem(answer: httpx.Response, status: int, *more: str) -> dict[str, Any]:
    """Check that the answer is this error in exactly the agreed shape and repeats no value."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert list(body) == [*KEYS, *(["errors"] if status == INVALID else []), *more]
    assert body["type"] == "about:blank"
    assert body["title"] == (RENAMED.get(status) or HTTPStatus(status).phrase)
    assert body["status"] == status
    assert body["detail"].endswith(".")
    assert body["instance"].encode() == answer.request.url.raw_path.partition(b"?")[0]
    assert [body["request_id"]] == answer.headers.get_list("X-Request-ID")
    assert CANARY not in f"{body['detail']} {[error['msg'] for error in body.get('errors', [])]}"
    return body


def assert_not_ready(answer: httpx.Response, **checks: str) -> None:
    """Check that the answer is 503, never cached, and says what is up and what is down."""
    assert assert_problem(answer, 503, "checks")["checks"] == checks
    assert (answer.headers["Retry-After"], answer.headers["Cache-Control"]) == ("1", "no-store")


def assert_refused(answer: httpx.Response, *loc: str, more: Iterable[str] = ()) -> None:
    """Check that the answer is 422 and names this field and no other."""
    errors = assert_problem(answer, 422, *more)["errors"]
    assert all(list(error) == ["loc", "msg", "type"] for error in errors)
    assert {tuple(error["loc"]) for error in errors} == {loc}
