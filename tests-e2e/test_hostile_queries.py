"""Hostile ids and query parameters by the hundred are refused with the right 4xx."""

import httpx
import pytest
from support.api import User, named
from support.contract import LISTS, ROUTES, Route
from support.hostile import CANARY, refused, short
from support.wire import Wire

ITEMS = [(r.method, r.path) for r in ROUTES if "{" in r.path]
IDS = [
    *("0", "-1", "-0", "9223372036854775808", "18446744073709551616", "1.0", "1.", "1e0", "+1"),
    *("%2B1", "1_0", "0x1", "%201", "1%20", "1%0A", "%D9%A1", "%EF%BC%91", "%00", "1%00", "%FF"),
    *("%ED%A0%80", "NaN", "null", "true", "none", "undefined", "-", "1,2", "1;2", "[1]"),
    *("%5C", "1%5C", "%7F", "1%0D%0A"),
    *("{1}", "*"),
    *("%F0%9F%92%A9", "'%20OR%201=1--", "%24%7B7*7%7D", "%25s", "%3Cscript%3E", CANARY),
    *("9" * 5000, "-" + "9" * 5000, "a" * 3000),
]
NO_NUMBERS = [
    *("", "x", "1.5", "1e1", "0x1", "%D9%A1", "%00", "1%00", "NaN", "Infinity", "null", "true"),
    *("-1", "99999999999999999999999999", "9" * 5000, "1%202", "[]", "%F0%9F%92%A9", "'", CANARY),
]
NO_BOOLEANS = ["", "x", "-2", "-1", "null", "1.0", "%00", "tru", "[]", "9" * 5000, "%D9%A1", CANARY]
BAD_QUERIES = [
    *("limit=%FF", "%FF=1", "limit=%ED%A0%80", "published=%C3", "%00=1", f"{CANARY}=1"),
    *("q=%FF", "q=a%ED%A0%80", "sort=-id%FF", "q%FF=1", "=1", "[]=1"),
    *("limit[]=1", "LIMIT=1", "limit=1;skip=2", "limit=abc&limit=1x", "a" * 5000 + "=1"),
    *("limit=" + "1" * 7000, "x&" * 2000, "&".join(f"k{i}={i}" for i in range(900))),
]


@pytest.mark.parametrize("value", IDS, ids=short)
@pytest.mark.parametrize(("method", "path"), ITEMS)
def test_an_invalid_id_is_refused(
    wire: Wire, author: User, method: str, path: str, value: str
) -> None:
    body = b"{}" if method == "PATCH" else b""
    headers = {**author.auth, "Content-Type": "application/json", "Content-Length": str(len(body))}
    target = path[: path.index("{")] + value
    refused(wire.ask(method, target, list(headers.items()), body), 404, 422)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=short)
@pytest.mark.parametrize("name", ["skip", "limit", "after"])
@pytest.mark.parametrize("route", LISTS, ids=str)
def test_an_invalid_page_parameter_is_refused_by_name(
    api: httpx.Client, author: User, route: Route, name: str, value: str
) -> None:
    answer = api.get(f"{route.path}?{name}={value}", headers=author.auth)
    refused(answer, 422)
    assert named(answer) == {"query", name}


@pytest.mark.parametrize("value", NO_BOOLEANS, ids=short)
@pytest.mark.parametrize(
    ("path", "name"),
    [
        *(("/posts/", "published"), ("/posts/", "count"), ("/users/", "count")),
        *(("/articles/", "is_published"), ("/articles/", "count"), ("/articles/", "owner_id")),
    ],
)
def test_an_invalid_filter_is_refused_by_name(
    api: httpx.Client, author: User, path: str, name: str, value: str
) -> None:
    answer = api.get(f"{path}?{name}={value}", headers=author.auth)
    refused(answer, 422)
    assert named(answer) == {"query", name}


@pytest.mark.parametrize("query", BAD_QUERIES, ids=short)
@pytest.mark.parametrize("path", ["/posts/", "/articles", "/users/", "/users/me", "/posts/1"])
def test_a_bad_query_is_refused(wire: Wire, author: User, path: str, query: str) -> None:
    headers = list(author.auth.items())
    refused(wire.ask("GET", f"{path}?{query}", headers), 400, 414, 422, 431)
