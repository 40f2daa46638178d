"""Hostile input: always the right 4xx, naming the field, never showing what was sent."""

import json
from collections.abc import Iterator

import httpx
import pytest

from chassis_testing.problem import CANARY, assert_problem, assert_refused

JSON = {"Content-Type": "application/json"}
MEBIBYTE = 1024 * 1024

IDS = [
    *(
        "0",
        "01",
        "0" * 5000 + "1",
        "-1",
        "+1",
        "1.0",
        "1e0",
        "0x1",
        "1_0",
        "%201",
        "1%20",
        "1%0A",
        "%00",
        "1%00",
        "%FF",
    ),
    *("%D9%A1", "%EF%BC%91", "%F0%9F%92%A9", "9223372036854775808", "9" * 5000, "-" + "9" * 5000),
    *("NaN", "null", "true", "me", "*", "'%20OR%201=1--", "%ED%A0%80", CANARY),
]
NO_NUMBERS = [
    "",
    "x",
    "01",
    "00",
    "-1",
    "+1",
    "1.0",
    "1e1",
    "0x1",
    "1_0",
    "%201",
    "%D9%A1",
    "%00",
    "%FF",
]
NO_NUMBERS += ["NaN", "null", "true", "[]", "9223372036854775808", "9" * 5000, CANARY]
NO_BOOLEANS = ["", "x", "2", "-1", "null", "1.0", "%00", "%FF", "[]", "9" * 5000, CANARY]
NOT_JSON: list[bytes] = [
    *(b" ", b"{", b"nul", b'{"title": }', b"{'title': 'x'}", b'{"title": "x",}', b"title=x"),
    *(b'{"title": "x"} {}', b'{"title": NaN}', b'{"title": Infinity}', b'{"title": -Infinity}'),
    *(b"NaN", b'{"title": "a\nb"}', b'{"title": "a\x00b"}', b'{"title": "\\x41"}', b"\x00"),
    *(b'{"title": 01}', b'{"title": "\\ud8"}', b'{"title": "\xff"}', b'{"\xff": 1}'),
    *(b'{"title": "\xed\xa0\x80"}', b'{"title": "\xc0\x80"}', b'\xef\xbb\xbf{"title": "x"}'),
    *('{"title": "x"}'.encode(code) for code in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")),
    *(b"[" * 100_000, b'{"title":' * 50_000, b"\x1f\x8b\x08\x00", CANARY.encode()),
]
NO_OBJECTS: list[bytes] = [b"null", b"true", b"0", b'"x"', b"[]", b"[{}]", b"1e999", b"9" * 9999]
NO_OBJECTS += [f'"{CANARY}"'.encode(), b'[["title", "x"]]']
NO_TEXTS = [
    *("1", "-1.5", "1e999", "9" * 9999, "true", "[]", '["x"]', "{}", f'{{"a": "{CANARY}"}}'),
    *(r'"\u0000"', r'"a\u0000b"', r'"\ud800"', r'"a\udfffb"', r'"\udc00\ud800"'),
    *("[" * 500 + "]" * 500, '{"title":' * 300 + "1" + "}" * 300),
]
NO_FLAGS = [*(value for value in NO_TEXTS if value != "true"), "null", "0", '"true"', f'"{CANARY}"']
FIELDS = [
    *(
        ("title", value)
        for value in [*NO_TEXTS, "null", '""', f'"{"x" * 201}"', f'"{"x" * 10**6}"']
    ),
    *(("body", value) for value in [*NO_TEXTS, f'"{"x" * 100_001}"', f'"{CANARY * 20_000}"']),
    *(("published", value) for value in NO_FLAGS),
]
NAMES = ["", "a", "Title", "__proto__", "__class__", "self", "\x00", "\U0001f4a9", "é"]
MEDIA = [
    *(
        "text/plain",
        "text/json",
        "application/merge-patch+json",
        "application/xml",
        "application/jsonp",
        "application/",
        "/",
        "",
    ),
    *("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json", CANARY),
]


def short(value: object) -> str:
    return ascii(value)[:30]


@pytest.fixture(params=["POST", "PATCH"])
def target(request: pytest.FixtureRequest, client: httpx.Client) -> Iterator[tuple[str, str]]:
    """The method and path of a route that takes JSON; whatever it refuses must change nothing."""
    post = client.post("/posts/", json={"title": "Untouched"}).json()
    yield request.param, "/posts/" if request.param == "POST" else f"/posts/{post['id']}"
    assert client.get("/posts/").json() == [post]


@pytest.mark.parametrize("value", IDS, ids=short)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "DELETE"])
def test_what_is_no_id_is_refused(client: httpx.Client, method: str, value: str) -> None:
    json_body = {"title": "x"} if method == "PATCH" else None
    answer = client.request(method, f"/posts/{value}", json=json_body)
    if method == "HEAD":
        assert (answer.status_code, answer.content) == (422, b"")
    else:
        assert_refused(answer, "path", "post_id")


@pytest.mark.parametrize("value", NO_NUMBERS, ids=short)
@pytest.mark.parametrize("name", ["skip", "limit", "after"])
def test_what_is_no_number_is_refused(client: httpx.Client, name: str, value: str) -> None:
    assert_refused(client.get(f"/posts/?{name}={value}"), "query", name)


@pytest.mark.parametrize("query", ["skip=1000001", "limit=0", "limit=101", "after=0"])
def test_a_number_out_of_bounds_is_refused(client: httpx.Client, query: str) -> None:
    assert_refused(client.get(f"/posts/?{query}"), "query", query.partition("=")[0])


@pytest.mark.parametrize("query", ["skip=0", "skip=1000000", "limit=1", "limit=100", "after=1"])
def test_a_number_at_its_bound_is_taken(client: httpx.Client, query: str) -> None:
    assert client.get(f"/posts/?{query}").status_code == 200


@pytest.mark.parametrize("value", NO_BOOLEANS, ids=short)
@pytest.mark.parametrize("name", ["published", "count"])
def test_what_is_no_boolean_is_refused(client: httpx.Client, name: str, value: str) -> None:
    assert_refused(client.get(f"/posts/?{name}={value}"), "query", name)


def test_skip_and_after_exclude_each_other(client: httpx.Client) -> None:
    assert_refused(client.get("/posts/?skip=0&after=1"), "query")


@pytest.mark.parametrize("name", ["Limit", "limit[]", "offset", "x" * 5000, "%00", "%F0%9F%92%A9"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/posts/"),
        ("POST", "/posts/"),
        *((m, "/posts/1") for m in ("GET", "PATCH", "DELETE")),
    ],
)
def test_an_unknown_query_parameter_is_refused(
    client: httpx.Client, method: str, path: str, name: str
) -> None:
    body = {"title": "x"} if method in {"POST", "PATCH"} else None
    answer = client.request(method, f"{path}?{name}=1", json=body)
    shown = {"%00": "\0", "%F0%9F%92%A9": "\U0001f4a9"}.get(name, name[:100])
    assert_refused(answer, "query", shown)


@pytest.mark.parametrize("content", NOT_JSON, ids=short)
def test_what_is_not_json_in_utf_8_is_400(
    client: httpx.Client, target: tuple[str, str], content: bytes
) -> None:
    assert_problem(client.request(*target, content=content, headers=JSON), 400)


@pytest.mark.parametrize("content", NO_OBJECTS, ids=short)
def test_json_that_is_no_object_is_refused(
    client: httpx.Client, target: tuple[str, str], content: bytes
) -> None:
    assert_refused(client.request(*target, content=content, headers=JSON), "body")


@pytest.mark.parametrize(("field", "value"), FIELDS, ids=short)
def test_a_field_of_a_wrong_kind_is_refused(
    client: httpx.Client, target: tuple[str, str], field: str, value: str
) -> None:
    others = "" if field == "title" else '"title": "x", '
    content = f'{{{others}"{field}": {value}}}'
    answer = client.request(*target, content=content, headers=JSON)
    assert_refused(answer, "body", field)
    assert CANARY not in answer.text


@pytest.mark.parametrize("name", [*NAMES, CANARY * 1000], ids=short)
def test_a_field_of_an_unknown_name_is_refused(
    client: httpx.Client, target: tuple[str, str], name: str
) -> None:
    content = json.dumps({"title": "x", name: 1})
    assert_refused(client.request(*target, content=content, headers=JSON), "body", name[:100])


def test_a_field_whose_name_is_no_text_is_refused(
    client: httpx.Client, target: tuple[str, str]
) -> None:
    content = b'{"title": "x", "\\ud800": 1}'
    assert_refused(client.request(*target, content=content, headers=JSON), "body")


def test_the_last_of_two_equal_names_counts(client: httpx.Client) -> None:
    content = b'{"title": "first", "title": "last"}'
    assert client.post("/posts/", content=content, headers=JSON).json()["title"] == "last"


def test_thousands_of_unknown_fields_are_refused(
    client: httpx.Client, target: tuple[str, str]
) -> None:
    content = json.dumps({f"k{number}": 1 for number in range(100_000)})
    answer = client.request(*target, content=content, headers=JSON)
    assert_refused(answer, "body")
    assert len(answer.content) < 1000


@pytest.mark.parametrize("media_type", MEDIA, ids=short)
def test_another_media_type_is_415(
    client: httpx.Client, target: tuple[str, str], media_type: str
) -> None:
    headers = {"Content-Type": media_type}
    assert_problem(client.request(*target, content=b'{"title": "x"}', headers=headers), 415)


def test_a_body_without_a_media_type_is_415(client: httpx.Client, target: tuple[str, str]) -> None:
    assert_problem(client.request(*target, content=b'{"title": "x"}'), 415)


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_named_with_parameters_and_in_any_case(
    client: httpx.Client, media_type: str
) -> None:
    headers = {"Content-Type": media_type}
    answer = client.post("/posts/", content=b'{"title": "x"}', headers=headers)
    assert answer.status_code == 201


@pytest.mark.parametrize("headers", [JSON, {}])
def test_no_body_at_all_is_refused(
    client: httpx.Client, target: tuple[str, str], headers: dict[str, str]
) -> None:
    assert_refused(client.request(*target, headers=headers), "body")


def padded(size: int) -> bytes:
    return b'{"title": "x"}'.ljust(size)


def chunks(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 65536):
        yield content[start : start + 65536]


def test_a_body_of_two_mebibytes_is_taken(client: httpx.Client) -> None:
    content = padded(2 * MEBIBYTE)
    assert client.post("/posts/", content=content, headers=JSON).status_code == 201
    assert client.post("/posts/", content=chunks(content), headers=JSON).status_code == 201


@pytest.mark.parametrize("excess", [1, 2 * MEBIBYTE])
def test_a_larger_body_is_413(client: httpx.Client, target: tuple[str, str], excess: int) -> None:
    content = padded(2 * MEBIBYTE + excess)
    assert_problem(client.request(*target, content=content, headers=JSON), 413)
    assert_problem(client.request(*target, content=chunks(content), headers=JSON), 413)
