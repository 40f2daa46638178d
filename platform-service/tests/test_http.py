"""HTTP around the routes: slash forms, HEAD, methods, request ids, health, OpenAPI."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from conftest import User
from fastapi import FastAPI
from problem import assert_not_ready, assert_problem

Write = Callable[..., dict[str, Any]]
METHODS = [
    ("/users/", "GET, HEAD, POST"),
    ("/users", "GET, HEAD, POST"),
    ("/users/me", "GET, HEAD"),
    ("/users/1", "GET, HEAD"),
    ("/articles/", "GET, HEAD, POST"),
    ("/articles", "GET, HEAD, POST"),
    ("/articles/1", "DELETE, GET, HEAD, PATCH"),
    ("/auth/token", "POST"),
    ("/.well-known/jwks.json", "GET, HEAD"),
    ("/livez", "GET, HEAD"),
    ("/readyz", "GET, HEAD"),
]
READS = ["/users/", "/users", "/users/me", "/articles/", "/articles", "/.well-known/jwks.json"]


@pytest.mark.parametrize("path", ["/users", "/articles"])
def test_a_collection_answers_with_and_without_the_slash(
    client: httpx.Client, write_article: Write, ann: User, path: str
) -> None:
    write_article(ann)
    with_slash = client.get(f"{path}/", headers=ann.headers)
    without = client.get(path, headers=ann.headers)
    assert (without.status_code, without.json()) == (200, with_slash.json())
    assert len(without.json()) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/articles/1/",
        "/users/1/",
        "/users/me/",
        "/auth",
        "/auth/token/",
        "/x",
        "/docs",
        "/auth/token%0A",
        "/users%2F",
    ],
)
def test_nothing_is_at_any_other_path(
    client: httpx.Client, write_article: Write, ann: User, path: str
) -> None:
    write_article(ann)
    assert_problem(client.get(path, headers=ann.headers), 404)


@pytest.mark.parametrize("path", [*READS, "/livez", "/readyz"])
def test_head_answers_as_get_does_without_a_body(
    client: httpx.Client, ann: User, path: str
) -> None:
    head, get = (client.request(method, path, headers=ann.headers) for method in ("HEAD", "GET"))
    for answer in (head, get):
        del answer.headers["X-Request-ID"], answer.headers["Date"]
    assert (head.status_code, head.headers, head.content) == (200, get.headers, b"")


@pytest.mark.parametrize(("path", "allowed"), METHODS)
def test_another_method_is_405_and_all_that_are_allowed_are_named(
    client: httpx.Client, path: str, allowed: str
) -> None:
    for method in ("GET", "PUT", "OPTIONS", "TRACE", "PROPFIND", "POST", "DELETE"):
        if method not in allowed:
            answer = client.request(method, path)
            assert_problem(answer, 405)
            assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("sent", ["a", "A-b_c.9", "x" * 128])
@pytest.mark.parametrize("path", ["/articles/", "/articles/1", "/users/", "/nothing", "/livez"])
def test_a_good_request_id_comes_back(client: httpx.Client, path: str, sent: str) -> None:
    answer = client.get(path, headers={"X-Request-ID": sent})
    assert answer.headers.get_list("X-Request-ID") == [sent]


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a,b", "{}", "é", '"', "a\tb"])
def test_a_bad_request_id_is_replaced(client: httpx.Client, sent: str) -> None:
    answer = client.get("/articles/1", headers=[(b"X-Request-ID", sent.encode("latin-1"))])
    (given,) = answer.headers.get_list("X-Request-ID")
    assert re.fullmatch(r"[0-9a-f]{32}", given)
    assert answer.json()["request_id"] == given


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
    assert client.get("/articles/").headers["Connection"] == "close"


def test_the_document_lists_each_route_once(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {path: set(methods) for path, methods in paths.items()} == {
        "/users/": {"get", "post"},
        "/users/me": {"get"},
        "/users/{user_id}": {"get"},
        "/articles/": {"get", "post"},
        "/articles/{article_id}": {"get", "patch", "delete"},
        "/auth/token": {"post"},
        "/.well-known/jwks.json": {"get"},
    }
