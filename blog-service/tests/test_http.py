"""HTTP around the routes: slash forms, HEAD, methods, request ids, health, OpenAPI."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from chassis_testing.problem import assert_not_ready, assert_problem

Write = Callable[..., dict[str, Any]]
METHODS = [
    ("/posts/", "GET, HEAD, POST"),
    ("/posts", "GET, HEAD, POST"),
    ("/posts/1", "DELETE, GET, HEAD, PATCH"),
    ("/livez", "GET, HEAD"),
    ("/readyz", "GET, HEAD"),
]


def test_the_collection_answers_with_and_without_the_slash(
    client: httpx.Client, write_post: Write
) -> None:
    post = write_post()
    other = client.post("/posts", json={"title": "x"})
    assert other.status_code == 201
    assert client.get("/posts").json() == client.get("/posts/").json() == [post, other.json()]
    assert 'rel="next"' in client.get("/posts?limit=1").headers["Link"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/posts/1/",
        "/posts//",
        "//posts",
        "/POSTS",
        "/x",
        "/docs",
        "/posts%2F",
        "/posts%0A",
        "/livez%0a",
    ],
)
def test_nothing_is_at_any_other_path(client: httpx.Client, write_post: Write, path: str) -> None:
    write_post()
    assert_problem(client.get(path), 404)


@pytest.mark.parametrize("path", ["/posts/", "/posts", "/posts/1", "/livez", "/readyz"])
def test_head_answers_as_get_does_without_a_body(
    client: httpx.Client, write_post: Write, path: str
) -> None:
    write_post()
    head, get = client.head(path), client.get(path)
    for answer in (head, get):
        del answer.headers["X-Request-ID"], answer.headers["Date"]
    assert (head.status_code, head.headers, head.content) == (200, get.headers, b"")


def test_head_of_a_page_has_its_links_and_total(client: httpx.Client, write_post: Write) -> None:
    write_post()
    write_post()
    headers = client.head("/posts/?limit=1&count=true").headers
    assert 'rel="next"' in headers["Link"]
    assert headers["X-Total-Count"] == "2"


@pytest.mark.parametrize(("path", "allowed"), METHODS)
@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE", "PROPFIND", "POST", "DELETE"])
def test_another_method_is_405_and_all_that_are_allowed_are_named(
    client: httpx.Client, method: str, path: str, allowed: str
) -> None:
    if method in allowed:
        return
    answer = client.request(method, path)
    assert_problem(answer, 405)
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("sent", ["a", "A-b_c.9", "x" * 128])
@pytest.mark.parametrize("path", ["/posts/", "/posts/1", "/posts/x", "/nothing", "/livez"])
def test_a_good_request_id_comes_back(client: httpx.Client, path: str, sent: str) -> None:
    answer = client.get(path, headers={"X-Request-ID": sent})
    assert answer.headers.get_list("X-Request-ID") == [sent]


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a,b", "{}", "é", '"', "a\tb"])
def test_a_bad_request_id_is_replaced(client: httpx.Client, sent: str) -> None:
    answer = client.get("/posts/1", headers=[(b"X-Request-ID", sent.encode("latin-1"))])
    (given,) = answer.headers.get_list("X-Request-ID")
    assert re.fullmatch(r"[0-9a-f]{32}", given)
    assert answer.json()["request_id"] == given


def test_every_request_gets_an_id_of_its_own(client: httpx.Client) -> None:
    assert len({client.get("/livez").headers["X-Request-ID"] for _ in range(5)}) == 5


def test_health_is_up_and_never_cached(client: httpx.Client) -> None:
    live, ready = client.get("/livez"), client.get("/readyz")
    assert live.json() == {"status": "up"}
    assert ready.json() == {"status": "up", "checks": {"database": "up", "schema": "up"}}
    assert {answer.headers["Cache-Control"] for answer in (live, ready)} == {"no-store"}


@pytest.fixture
def draining(server: tuple[FastAPI, httpx.Client]) -> Iterator[None]:
    server[0].state.draining = True
    yield
    server[0].state.draining = False


@pytest.mark.usefixtures("draining")
def test_readiness_ends_with_draining_and_every_answer_closes_its_connection(
    client: httpx.Client,
) -> None:
    assert_not_ready(client.get("/readyz"), database="up", schema="up")
    assert client.get("/livez").status_code == 200
    assert client.get("/posts/").headers["Connection"] == "close"


def test_the_document_lists_each_route_once(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {path: set(methods) for path, methods in paths.items()} == {
        "/posts/": {"get", "post"},
        "/posts/{post_id}": {"get", "patch", "delete"},
    }
