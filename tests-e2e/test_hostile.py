"""Hostile input by the hundred: the right 4xx, naming the field, and never what was sent."""

import json
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from api import User, named, write_article, write_post
from inspection import inspect
from samples import JSON_ROUTES, LISTS, ROUTES, Route, valid_body
from wire import Wire

CANARY = "cAnAry7f3e"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
Send = Callable[[str, str, str | bytes, str], httpx.Response]
ITEMS = [(r.method, r.path) for r in ROUTES if "{" in r.path]

IDS = [
    *("0", "-1", "-0", "9223372036854775808", "18446744073709551616", "1.0", "1.", "1e0", "+1"),
    *("%2B1", "1_0", "0x1", "%201", "1%20", "1%0A", "%D9%A1", "%EF%BC%91", "%00", "1%00", "%FF"),
    *("%ED%A0%80", "NaN", "null", "true", "none", "undefined", "-", "1,2", "1;2", "[1]"),
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
    *("=1", "[]=1"),
    *("limit[]=1", "LIMIT=1", "limit=1;skip=2", "limit=abc&limit=1x", "a" * 5000 + "=1"),
    *("limit=" + "1" * 7000, "x&" * 2000, "&".join(f"k{i}={i}" for i in range(900))),
]
BROKEN_JSON = [
    *(b"", b" ", b"{", b"}", b"nul", b"{]", b'{"title": }', b"{'title': 'x'}", b'{"title": "x",}'),
    *(b'{"title": "x"} {}', b'{"title": NaN}', b'{"title": Infinity}', b'{"x": -Infinity}', b"NaN"),
    *(b'{"title": "a\nb"}', b'{"title": "a\x00b"}', b"\x00"),
    *(b'{"title": "\\x41"}', b'{"title": 01}'),
    *(b'{"title": "\\ud8"}', b'{"title": "\xff"}', b'{"title": "\xed\xa0\x80"}', b'{"\xff": 1}'),
    *(b'{"title": "\xc0\x80"}', b"\xff\xfe{\x00}\x00"),
    *("{}".encode("utf-16"), "{}".encode("utf-32")),
    *('{"title": "x"}'.encode("utf-16-be"), b"// x\n{}", b"title=x", b"<x/>", b"\x1f\x8b\x08\x00"),
    CANARY.encode(),
]
WRONG_JSON = [
    *(b"null", b"true", b"0", b'"x"', b"[]", b"[{}]", b"1e999", b'[["title", "x"]]'),
    *(b"[" * 5000 + b"]" * 5000, b"[" * 100_000, b'{"a":' * 50_000, b"9" * 10_000),
    *(b'{"title":' + b"[" * 900 + b"]" * 900 + b"}", b'{"title": ' + b"9" * 10_000 + b"}"),
    *(b'{"title": 1e999}', b'{"title": -0.0}', b'{"": 1}', b'{"\\u0000": 1}', b'{"\\ud800": 1}'),
    *(b'{"' + b"k" * 50_000 + b'": 1}', b'{"__proto__": {}}', b'{"__class__": 1, "self": 1}'),
    *(b"{" + b",".join(b'"k%d":1' % i for i in range(5000)) + b"}", b'"' + CANARY.encode() + b'"'),
]
STRANGE_JSON = [
    b'\xef\xbb\xbf{"title": "x"}',
    b'{"title": "x", "title": "y"}',
    b'{"title": "x"}\n ',
]

NO_TEXTS: list[Any] = [1, -1.5, True, [], ["x"], {}, {"a": CANARY}, 10**400, "a\0", "\0", "a\ud800"]
NO_FLAGS: list[Any] = [None, "x", 2, -1, 1.5, [], {}, [True], "\0", "\ud800", 10**400, CANARY]
NO_EMAILS = [
    *("", "x", "@", "a@", "@example.com", "a@b", "a@localhost", "a@example", "a@127.0.0.1"),
    *("a@[127.0.0.1]", "a@@example.com", "a@example.com@example.com"),
    *("a b@example.com", ".a@example.com"),
    *("a..b@example.com", "a.@example.com", "a@-example.com", "a@example..com", "a@.example.com"),
    *("a@example.com\n", "a@example.com\0"),
    *("\0@example.com", "a@example.com\r\nBcc: b@example.com"),
    *("\ud800@example.com", "a@\ud800.example.com", "a,b@example.com"),
    *("a@" + "b" * 250 + ".com", "a" * 10_000 + "@example.com"),
    *("a@example.com" * 20, "a@xn--a.com", f"{CANARY} {CANARY}@example.com", "a\u202e@example.com"),
]
WRONG_FIELDS: list[tuple[str, str, Any]] = [
    *(("/posts", "title", value) for value in [*NO_TEXTS, None, "", "x" * 201, "x" * 10**6]),
    *(("/posts", "body", value) for value in [*NO_TEXTS, "x" * 100_001]),
    *(("/posts", "published", value) for value in NO_FLAGS),
    *(("/articles", "title", value) for value in [*NO_TEXTS, None, "", "x" * 201, "x" * 10**6]),
    *(("/articles", "content", value) for value in [*NO_TEXTS, None, "", "x" * 100_001]),
    *(("/articles", "is_published", value) for value in NO_FLAGS),
    *(("/users", "email", value) for value in [*NO_TEXTS, None, *NO_EMAILS]),
    *(("/users", "password", value) for value in [*NO_TEXTS, None, "", "x" * 7, "x" * 129]),
    *(("/users", "password", value) for value in ["x" * 5000, "x" * 10**6, "long enough\0"]),
]
FORMS = [
    *(b"", b"&", b"=", b"&&&=&", b"username", b"username=a", b"password=b", b"username=&password="),
    *(b"username=%00&password=%00", b"username=a%00%40example.com&password=12345678"),
    b"username=%FF&password=%FF",
    *(b"username=\xff&password=\xff", b"username=%ED%A0%80&password=x"),
    *(b"username=a&username=b&password=c", b"username=a&password=b&password=c", b"%FF=1", b"%00=1"),
    *(b"username[]=a&password[]=b", b"username=a;password=b", b"username=%zz&password=%"),
    *(b"username=a&password=" + b"x" * 4097, b"username=a&password=" + b"x" * 10**6),
    *(b"username=" + b"x" * 10**6 + b"&password=x", b"&" * 10**6, b"a=b&" * 50_000, b"a" * 10**6),
    *(b"grant_type=implicit&username=a&password=b", b'{"username": "a", "password": "b"}', b"\x00"),
    *(f"username={CANARY}@example.com&password={CANARY}".encode(), b"username=\r\n&password=\r\n"),
]
MEDIA = [
    *("", "/", "application", "application/", "application/json/x"),
    *("text/json", "application/jsonp"),
    *("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x"),
    *("application/xml", "text/html", "a" * 5000, "application/octet-stream", CANARY),
]


@pytest.fixture(scope="module")
def send(api: httpx.Client, author: User) -> Send:
    """Sends bytes, signed in, to a route's path with the ids of a post and an article of theirs."""
    post, article = write_post(api, author), write_article(api, author, is_published=True)

    def send(method: str, path: str, content: str | bytes, media: str) -> httpx.Response:
        path = path.format(post=post["id"], article=article["id"])
        headers = author.auth | {"Content-Type": media}
        return api.request(method, path, content=content, headers=headers)

    return send


def refused(answer: httpx.Response | None, *statuses: int) -> None:
    """The answer is one of these statuses and shows nothing of what was sent but the path."""
    assert answer is not None, "closed without an answer"
    inspect(answer)
    assert answer.status_code in statuses, answer.text[:500]
    if answer.status_code >= 400:
        shown = {k: v for k, v in answer.json().items() if k != "instance"}
        shown["errors"] = [error | {"loc": ""} for error in shown.get("errors", [])]
        assert CANARY not in str(shown)


def dumped(value: object) -> str:
    """JSON with huge integers, which Python's own would refuse to write, and lone surrogates."""
    sys.set_int_max_str_digits(0)
    return json.dumps(value)


def short(value: object) -> str:
    """A table's row as a test's name."""
    return ascii(value)[:40]


@pytest.mark.parametrize("value", IDS, ids=short)
@pytest.mark.parametrize(("method", "path"), ITEMS)
def test_what_is_no_id_is_refused(
    wire: Wire, author: User, method: str, path: str, value: str
) -> None:
    body = b"{}" if method == "PATCH" else b""
    headers = {**author.auth, "Content-Type": JSON, "Content-Length": str(len(body))}
    target = path[: path.index("{")] + value
    refused(wire.ask(method, target, list(headers.items()), body), 400, 404, 414, 422)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=short)
@pytest.mark.parametrize("name", ["skip", "limit", "after"])
@pytest.mark.parametrize("route", LISTS, ids=str)
def test_what_is_no_page_is_refused_by_name(
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
def test_what_is_no_filter_is_refused_by_name(
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


@pytest.mark.parametrize("content", BROKEN_JSON, ids=short)
@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
def test_broken_json_is_400(send: Send, method: str, path: str, content: bytes) -> None:
    empty = content.strip() == b""
    refused(send(method, path, content, JSON), 400, *([422] if empty else []))


@pytest.mark.parametrize("content", WRONG_JSON, ids=short)
@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
def test_json_of_a_wrong_shape_is_refused(
    send: Send, method: str, path: str, content: bytes
) -> None:
    refused(send(method, path, content, JSON), 400, 422)


@pytest.mark.parametrize("content", STRANGE_JSON, ids=short)
@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
def test_json_that_some_parsers_take_does_no_harm(
    send: Send, method: str, path: str, content: bytes
) -> None:
    refused(send(method, path, content, JSON), 200, 201, 400, 422)


@pytest.mark.parametrize(("path", "field", "value"), WRONG_FIELDS, ids=short)
def test_a_field_of_a_wrong_kind_is_refused_by_name(
    send: Send, path: str, field: str, value: object
) -> None:
    for method, route in JSON_ROUTES:
        if route.startswith(path):
            answer = send(method, route, dumped(valid_body(path) | {field: value}), JSON)
            if value == 10**400:
                refused(answer, 400, 422)  # too large for some parsers of JSON
            else:
                refused(answer, 422)
                assert named(answer) >= {"body", field}


@pytest.mark.parametrize("content", FORMS, ids=short)
def test_a_bad_form_is_refused(api: httpx.Client, content: bytes) -> None:
    answer = api.post("/auth/token", content=content, headers={"Content-Type": FORM})
    refused(answer, 400, 401, 413, 422)


@pytest.mark.parametrize("media", MEDIA, ids=short)
@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
def test_a_strange_content_type_is_415(send: Send, method: str, path: str, media: str) -> None:
    refused(send(method, path, b'{"title": "x"}', media), 415)


@pytest.mark.parametrize("media", [*MEDIA, JSON], ids=short)
def test_a_sign_in_with_a_strange_content_type_is_refused(api: httpx.Client, media: str) -> None:
    answer = api.post("/auth/token", content=b"--x", headers={"Content-Type": media})
    refused(answer, 415, *((400, 422) if media.startswith("multipart") else ()))
