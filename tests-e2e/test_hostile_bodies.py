"""Hostile bodies by the hundred are refused with the right 4xx, and never echoed."""

import json
from collections.abc import Callable

import httpx
import pytest
from support.api import Json, User, named, write_article, write_post
from support.contract import JSON_ROUTES, valid_body
from support.hostile import refused

from chassis_testing import hostile
from chassis_testing.hostile import NO_FLAGS, NO_TEXTS, short
from chassis_testing.problem import CANARY

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
Send = Callable[[str, str, str | bytes, str], httpx.Response]
WRONG_JSON = [
    *(*hostile.NO_OBJECTS, *hostile.TOO_MANY_VALUES),
    *(json.dumps({name: 1}).encode() for name in (*hostile.NAMES, "\ud800")),
    *(f'{{"title": {value}}}'.encode() for value in ("-0.0", "1e999", "9" * 9999)),
]
STRANGE_JSON = [b'{"title": "x", "title": "y"}', b'{"title": "x"}\n ']
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
NO_PASSWORDS = [*("x" * length for length in (0, 7, 129, 5000, 10**6)), "long enough\0"]
NO_TITLES = ["", "x" * 201, "x" * 10**6]
TOO_LONG = f'"{"x" * 100_001}"'
# The values are JSON.
WRONG_FIELDS: list[tuple[str, str, str]] = [
    *(("/posts", "title", value) for value in (*NO_TEXTS, *map(json.dumps, NO_TITLES))),
    *(("/posts", "body", value) for value in (*NO_TEXTS, TOO_LONG) if value != "null"),
    *(("/posts", "published", value) for value in NO_FLAGS),
    *(("/articles", "title", value) for value in (*NO_TEXTS, *map(json.dumps, NO_TITLES))),
    *(("/articles", "content", value) for value in (*NO_TEXTS, '""', TOO_LONG)),
    *(("/articles", "is_published", value) for value in NO_FLAGS),
    *(("/users", "email", value) for value in (*NO_TEXTS, *map(json.dumps, NO_EMAILS))),
    *(("/users", "password", value) for value in (*NO_TEXTS, *map(json.dumps, NO_PASSWORDS))),
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


@pytest.fixture(scope="module")
def send(api: httpx.Client, author: User) -> Send:
    """A function that sends bytes to a route as a signed-in user who owns its post or article."""
    post, article = write_post(api, author), write_article(api, author, is_published=True)

    def send(method: str, path: str, content: str | bytes, media: str) -> httpx.Response:
        path = path.format(post=post["id"], article=article["id"])
        headers = author.auth | {"Content-Type": media}
        return api.request(method, path, content=content, headers=headers)

    return send


def with_field(body: Json, field: str, value: str) -> str:
    """Return the body as JSON, with this value, which is JSON, in the field."""
    return json.dumps(body | {field: "VALUE"}).replace('"VALUE"', value)


@pytest.mark.parametrize("content", [b"", *hostile.NOT_JSON], ids=short)
@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
def test_broken_json_is_400(send: Send, method: str, path: str, content: bytes) -> None:
    refused(send(method, path, content, JSON), 400 if content else 422)


@pytest.mark.parametrize("content", WRONG_JSON, ids=short)
@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
def test_json_of_a_wrong_shape_is_422(send: Send, method: str, path: str, content: bytes) -> None:
    refused(send(method, path, content, JSON), 422)


@pytest.mark.parametrize("content", STRANGE_JSON, ids=short)
@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
def test_json_that_only_some_parsers_accept_does_no_harm(
    send: Send, method: str, path: str, content: bytes
) -> None:
    refused(send(method, path, content, JSON), 200, 201, 400, 422)


@pytest.mark.parametrize(("path", "field", "value"), WRONG_FIELDS, ids=short)
def test_a_field_of_a_wrong_type_is_refused_by_name(
    send: Send, path: str, field: str, value: str
) -> None:
    for method, route in JSON_ROUTES:
        if route.startswith(path):
            answer = send(method, route, with_field(valid_body(route), field, value), JSON)
            refused(answer, 422)
            assert named(answer) >= {"body", field}


@pytest.mark.parametrize("content", FORMS, ids=short)
def test_a_bad_form_is_refused(api: httpx.Client, content: bytes) -> None:
    answer = api.post("/auth/token", content=content, headers={"Content-Type": FORM})
    refused(answer, 400, 401, 413, 422)


@pytest.mark.parametrize("media", hostile.MEDIA_TYPES, ids=short)
@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
def test_a_strange_content_type_is_415(send: Send, method: str, path: str, media: str) -> None:
    refused(send(method, path, b'{"title": "x"}', media), 415)


@pytest.mark.parametrize("media", [JSON, *hostile.MEDIA_TYPES], ids=short)
def test_a_sign_in_with_a_strange_content_type_is_refused(api: httpx.Client, media: str) -> None:
    answer = api.post("/auth/token", content=b"--x", headers={"Content-Type": media})
    refused(answer, 422 if media == FORM else 415)
