"""Hostile bodies by the hundred are refused with the right 4xx, and never echoed."""

import json
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from support.api import User, named, write_article, write_post
from support.contract import JSON_ROUTES, valid_body
from support.hostile import CANARY, refused, short

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
Send = Callable[[str, str, str | bytes, str], httpx.Response]
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
    """A function that sends bytes to a route as a signed-in user who owns its post or article."""
    post, article = write_post(api, author), write_article(api, author, is_published=True)

    def send(method: str, path: str, content: str | bytes, media: str) -> httpx.Response:
        path = path.format(post=post["id"], article=article["id"])
        headers = author.auth | {"Content-Type": media}
        return api.request(method, path, content=content, headers=headers)

    return send


def dumped(value: object) -> str:
    """Return JSON, even of huge integers, which Python refuses by default."""
    sys.set_int_max_str_digits(0)
    return json.dumps(value)


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
def test_json_that_only_some_parsers_accept_does_no_harm(
    send: Send, method: str, path: str, content: bytes
) -> None:
    refused(send(method, path, content, JSON), 200, 201, 400, 422)


@pytest.mark.parametrize(("path", "field", "value"), WRONG_FIELDS, ids=short)
def test_a_field_of_a_wrong_type_is_refused_by_name(
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
