"""HTTP around the routes: slash forms, HEAD, methods, request ids, sizes of bodies."""

import re

import httpx
import pytest
from conftest import Write

from chassis.bodies import BODY_LIMIT
from chassis_testing import hostile
from chassis_testing.fixtures import only
from chassis_testing.hostile import JSON, MEBIBYTE
from chassis_testing.problem import assert_problem

pytestmark = only("sqlite")  # HTTP is the same on every database

METHODS = [
    ("/notes/", "GET, HEAD, POST"),
    ("/notes", "GET, HEAD, POST"),
    ("/notes/1", "DELETE, GET, HEAD, PATCH"),
    ("/livez", "GET, HEAD"),
    ("/readyz", "GET, HEAD"),
]
GOOD_IDS = ["a", "A-b_c.9", "x" * 128]
BAD_IDS = ["", "x" * 129, "a b", "a,b", "{}", "é", '"', "a\tb"]


def test_a_collection_answers_with_and_without_the_slash(
    client: httpx.Client, write_note: Write
) -> None:
    note = write_note()
    other = client.post("/notes", json={"text": "x"})
    assert other.status_code == 201
    assert client.get("/notes").json() == client.get("/notes/").json() == [note, other.json()]
    assert client.get("/notes?limit=1").headers["Link"].startswith("</notes/?")


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/notes/1/", "/notes//", "//notes", "/NOTES", "/x", "/docs", "/redoc"),
        *("/notes%2F", "/notes%2f", "/notes%0A", "/livez%0a", "/livez/"),
    ],
)
def test_nothing_is_at_any_other_path(client: httpx.Client, write_note: Write, path: str) -> None:
    write_note()
    assert_problem(client.get(path), 404)


@pytest.mark.parametrize("path", ["/notes/", "/notes", "/notes/1", "/livez", "/readyz"])
def test_head_answers_as_get_does_without_a_body(
    client: httpx.Client, write_note: Write, path: str
) -> None:
    write_note()
    head, get = client.head(path), client.get(path)
    for answer in (head, get):
        del answer.headers["X-Request-ID"], answer.headers["Date"]
    assert (head.status_code, head.headers, head.content) == (200, get.headers, b"")


def test_head_of_a_page_has_its_links_and_total(client: httpx.Client, write_note: Write) -> None:
    write_note()
    write_note()
    headers = client.head("/notes/?limit=1&count=true").headers
    assert 'rel="next"' in headers["Link"]
    assert headers["X-Total-Count"] == "2"


@pytest.mark.parametrize(("path", "allowed"), METHODS)
def test_another_method_is_405_and_all_that_are_allowed_are_named(
    client: httpx.Client, path: str, allowed: str
) -> None:
    for method in ("PUT", "OPTIONS", "TRACE", "PROPFIND", "POST", "DELETE"):
        if method not in allowed:
            answer = client.request(method, path)
            assert_problem(answer, 405)
            assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("path", ["/notes/", "/notes/1", "/notes/x", "/nothing", "/livez"])
def test_a_good_request_id_comes_back_once(client: httpx.Client, path: str) -> None:
    for sent in GOOD_IDS:
        answer = client.get(path, headers={"X-Request-ID": sent})
        assert answer.headers.get_list("X-Request-ID") == [sent]


@pytest.mark.parametrize("sent", [*([bad] for bad in BAD_IDS), [], ["a", "b"]])
def test_a_bad_request_id_is_replaced(client: httpx.Client, sent: list[str]) -> None:
    headers = [(b"X-Request-ID", one.encode("latin-1")) for one in sent]
    answer = client.get("/notes/1", headers=headers)
    (given,) = answer.headers.get_list("X-Request-ID")
    assert re.fullmatch(r"[0-9a-f]{32}", given)
    assert answer.json()["request_id"] == given


def test_every_request_gets_an_id_of_its_own(client: httpx.Client) -> None:
    assert len({client.get("/livez").headers["X-Request-ID"] for _ in range(5)}) == 5


def test_a_body_at_the_limit_is_taken_with_and_without_its_length(client: httpx.Client) -> None:
    assert BODY_LIMIT == 2 * MEBIBYTE
    content = b'{"text": "x"}'.ljust(BODY_LIMIT)
    for body in (content, hostile.chunks(content)):
        assert client.post("/notes/", content=body, headers=JSON).status_code == 201


@pytest.mark.parametrize("excess", [1, 2 * MEBIBYTE])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_larger_body_is_413_and_changes_nothing(
    client: httpx.Client, write_note: Write, method: str, excess: int
) -> None:
    note = write_note()
    path = "/notes/" if method == "POST" else f"/notes/{note['id']}"
    content = b'{"text": "y"}'.ljust(BODY_LIMIT + excess)
    for body in (content, hostile.chunks(content)):
        assert_problem(client.request(method, path, content=body, headers=JSON), 413)
    assert client.get("/notes/").json() == [note]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/notes/"),
        ("HEAD", "/notes"),
        ("GET", "/notes/1"),
        ("POST", "/notes/"),
        ("GET", "/x"),
    ],
)
def test_a_cache_asks_again_and_keeps_no_answer_to_a_token_for_others(
    client: httpx.Client, method: str, path: str
) -> None:
    without = client.request(method, path)
    assert without.headers.get_list("Cache-Control") == ["public, no-cache"]
    assert without.headers.get_list("Vary") == ["Authorization"]
    with_token = client.request(method, path, headers={"Authorization": "Bearer x"})
    assert with_token.headers.get_list("Cache-Control") == ["private, no-cache"]


def test_an_answer_keeps_a_cache_control_of_its_own(client: httpx.Client) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}):
        answer = client.get("/livez", headers=headers)
        assert answer.headers.get_list("Cache-Control") == ["no-store"]
        assert "Vary" not in answer.headers
