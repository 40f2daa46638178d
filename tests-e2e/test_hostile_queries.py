"""Hostile ids and query parameters by the hundred are refused with the right 4xx."""

import httpx
import pytest
from support.api import User, named
from support.contract import LISTS, ROUTES, Route
from support.hostile import refused
from support.wire import Wire

from chassis_testing import hostile
from chassis_testing.hostile import short
from chassis_testing.problem import CANARY

ITEMS = [(r.method, r.path) for r in ROUTES if "{" in r.path]
BAD_QUERIES = [
    *("limit=%FF", "%FF=1", "limit=%ED%A0%80", "published=%C3", "%00=1", f"{CANARY}=1"),
    *("q=%FF", "q=a%ED%A0%80", "sort=-id%FF", "q%FF=1", "=1", "[]=1"),
    *("limit[]=1", "LIMIT=1", "limit=1;skip=2", "limit=abc&limit=1x", "a" * 5000 + "=1"),
    *("limit=" + "1" * 7000, "x&" * 2000, "&".join(f"k{i}={i}" for i in range(900))),
]


@pytest.mark.parametrize("value", hostile.IDS, ids=short)
@pytest.mark.parametrize(("method", "path"), ITEMS)
def test_an_invalid_id_is_refused(
    wire: Wire, author: User, method: str, path: str, value: str
) -> None:
    body = b"{}" if method == "PATCH" else b""
    headers = {**author.auth, "Content-Type": "application/json", "Content-Length": str(len(body))}
    target = path[: path.index("{")] + value
    refused(wire.ask(method, target, list(headers.items()), body), 404, 422)


@pytest.mark.parametrize("value", hostile.NO_NUMBERS, ids=short)
@pytest.mark.parametrize("name", ["skip", "limit", "after"])
@pytest.mark.parametrize("route", LISTS, ids=str)
def test_an_invalid_page_parameter_is_refused_by_name(
    api: httpx.Client, author: User, route: Route, name: str, value: str
) -> None:
    answer = api.get(f"{route.path}?{name}={value}", headers=author.auth)
    refused(answer, 422)
    assert named(answer) == {"query", name}


@pytest.mark.parametrize("value", hostile.NO_BOOLEANS, ids=short)
@pytest.mark.parametrize(
    ("path", "name"),
    [
        *(("/posts/", "published"), ("/posts/", "count"), ("/users/", "count")),
        *(("/articles/", "is_published"), ("/articles/", "count")),
    ],
)
def test_an_invalid_filter_is_refused_by_name(
    api: httpx.Client, author: User, path: str, name: str, value: str
) -> None:
    answer = api.get(f"{path}?{name}={value}", headers=author.auth)
    refused(answer, 422)
    assert named(answer) == {"query", name}


@pytest.mark.parametrize("value", [*hostile.NO_NUMBERS, "0"], ids=short)
@pytest.mark.parametrize(("path", "name"), [("/posts/", "author_id"), ("/articles/", "owner_id")])
def test_an_invalid_user_in_a_filter_is_refused_by_name(
    api: httpx.Client, path: str, name: str, value: str
) -> None:
    answer = api.get(f"{path}?{name}={value}")
    refused(answer, 422)
    assert named(answer) == {"query", name}


@pytest.mark.parametrize("query", BAD_QUERIES, ids=short)
@pytest.mark.parametrize("path", ["/posts/", "/articles", "/users/", "/users/me", "/posts/1"])
def test_a_bad_query_is_refused(wire: Wire, author: User, path: str, query: str) -> None:
    headers = list(author.auth.items())
    refused(wire.ask("GET", f"{path}?{query}", headers), 400, 414, 422, 431)
