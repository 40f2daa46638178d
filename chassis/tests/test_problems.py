"""Problems: the same shape for every error, without a word of the cause."""

import http.client
import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import sample
from conftest import answer_of
from fastapi import APIRouter, HTTPException

from chassis.errors import (
    BadRequestError,
    ConflictError,
    DomainError,
    ForbiddenError,
    NotFoundError,
    TooManyRequestsError,
    UnauthorizedError,
)
from chassis.logs import JsonFormatter
from chassis.problems import problem_document
from chassis_testing.fixtures import Server, Sql
from chassis_testing.problem import CANARY, assert_problem


class DerivedError(ConflictError):
    """An error of a service's own."""


ERRORS = [
    (BadRequestError("Not this."), 400, "Not this."),
    (UnauthorizedError("Sign in."), 401, "Sign in."),
    (ForbiddenError("Not yours."), 403, "Not yours."),
    (NotFoundError(), 404, "Nothing has this id."),
    (ConflictError("Taken."), 409, "Taken."),
    (DerivedError("Taken."), 409, "Taken."),
    (TooManyRequestsError("Too soon.", 7), 429, "Too soon."),
    (HTTPException(418, "A teapot."), 418, "A teapot."),
    (ZeroDivisionError(CANARY), 500, "The service failed to answer this request."),
]


def test_a_document_has_every_member_of_a_problem_and_more() -> None:
    document = problem_document(503, "Not now.", b"/a%20b", "the-id", checks={"x": "down"})
    assert json.loads(document) == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "Not now.",
        "instance": "/a%20b",
        "request_id": "the-id",
        "checks": {"x": "down"},
    }


def test_a_path_that_is_not_ascii_is_shown_escaped() -> None:
    assert json.loads(problem_document(404, "No.", b"/\xff", None))["instance"] == "/\\xff"


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (404, "Not Found"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (416, "Range Not Satisfiable"),
        (422, "Unprocessable Content"),
    ],
)
def test_a_title_is_that_of_rfc_9110_whatever_python_calls_it(status: int, title: str) -> None:
    assert json.loads(problem_document(status, "No.", b"/", None))["title"] == title


@pytest.mark.parametrize(("error", "status", "detail"), ERRORS, ids=lambda value: repr(value)[:30])
def test_every_error_that_a_route_raises_is_a_problem(
    error: Exception, status: int, detail: str
) -> None:
    router = APIRouter()

    @router.get("/x")
    async def fail() -> None:
        raise error

    answer = answer_of(router, "GET", "/x")
    assert assert_problem(answer, status)["detail"] == detail
    assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)
    assert answer.headers.get("Retry-After") == ("7" if status == 429 else None)


class NewError(DomainError):
    """An error that nobody has given a status."""


def test_an_error_without_a_status_is_500_and_the_log_names_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    router = APIRouter()

    @router.get("/x")
    async def fail() -> None:
        raise NewError("Anything.")

    assert_problem(answer_of(router, "GET", "/x"), 500)
    assert [it.exc_info[0] for it in caplog.records if it.exc_info] == [NewError]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every list fails in an unforeseen way."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError(CANARY)

    monkeypatch.setattr(sample, "fetch_page", fail)


@pytest.mark.usefixtures("broken")
def test_an_unforeseen_error_is_500_and_its_cause_one_line_of_the_log(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(JsonFormatter("sample"))
    answer = client.get("/notes/", headers={"X-Request-ID": "the-id"})
    assert_problem(answer, 500)
    assert CANARY not in answer.text
    assert "ZeroDivisionError" not in answer.text
    (failure,) = [json.loads(line) for line in caplog.text.splitlines() if "exception" in line]
    assert (failure["level"], failure["request_id"]) == ("error", "the-id")
    assert failure["exception"] == "ZeroDivisionError"
    assert any(sample.__file__ in place for place in failure["at"])
    assert CANARY not in caplog.text


@pytest.mark.usefixtures("broken")
def test_the_connection_outlives_an_unforeseen_error(client: httpx.Client) -> None:
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port or 0)
    for path, status in [("/notes/", 500), ("/notes/1", 404), ("/notes/", 500), ("/livez", 200)]:
        connection.request("GET", path)
        opened = connection.sock
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, connection.sock) == (status, opened), "closed by the server"
    connection.close()


def test_an_answer_that_breaks_off_closes_the_connection(
    client: httpx.Client, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "uvicorn.error")

    async def half(_scope: object, _receive: object, send: Callable[..., Any]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ZeroDivisionError

    server[0].mount("/half", half)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/half/")
    server[0].router.routes.pop()
    assert client.get("/notes/").status_code == 200


def test_a_missing_table_tells_nothing_of_itself_and_all_is_well_once_it_is_back(
    client: httpx.Client, sql: Sql
) -> None:
    sql("ALTER TABLE notes RENAME TO elsewhere")
    for answer in (client.get("/notes/"), client.post("/notes/", json={"text": CANARY})):
        assert_problem(answer, 503)
        assert answer.headers["Retry-After"] == "1"
        assert not any(word in answer.text for word in (CANARY, "text", "table", "INSERT"))
    sql("ALTER TABLE elsewhere RENAME TO notes")
    assert client.post("/notes/", json={"text": "x"}).status_code == 201
    assert client.get("/notes/").status_code == 200


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_value_that_the_database_refuses_is_in_no_line_of_the_log(
    client: httpx.Client, sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    sql("ALTER TABLE notes RENAME TO elsewhere")
    caplog.handler.setFormatter(JsonFormatter("sample"))
    assert_problem(client.post("/notes/", json={"text": CANARY}), 503)
    assert "database unavailable" in caplog.text
    assert CANARY not in caplog.text
