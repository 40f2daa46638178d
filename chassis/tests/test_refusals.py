"""Bodies and queries: what is refused, with which status, and what comes first."""

import json
from collections.abc import Iterator
from typing import Annotated

import httpx
import pytest
from conftest import answer_of
from fastapi import APIRouter, Depends, Form, Request

from chassis.errors import UnauthorizedError
from chassis.requests import FORM_LIMIT
from chassis.routes import Route, before_body
from chassis.schemas import Input
from chassis_testing import hostile
from chassis_testing.fixtures import only
from chassis_testing.hostile import FORM, JSON, MEBIBYTE, short
from chassis_testing.problem import CANARY, assert_problem, assert_refused

pytestmark = only("sqlite")  # no body that is refused reaches the database

ENCODINGS = ["gzip", "br", "identity, gzip", "GZIP", "x"]


class Fields(Input):
    text: str
    other: str = ""


class Numbered(Input):
    number: int


@before_body
async def refuse(_request: Request) -> None:
    raise UnauthorizedError("Sign in.")


router = APIRouter(route_class=Route)


@router.post("/form")
async def read_form(form: Annotated[Fields, Form()]) -> dict[str, str]:
    return form.model_dump()


@router.post("/number")
async def read_number(body: Numbered) -> int:
    return body.number


@router.post("/private", dependencies=[Depends(refuse)])
async def read_privately(body: Fields) -> None:
    raise AssertionError(body)


def test_a_whole_number_reaches_a_field_with_all_its_digits() -> None:
    for number in (2**53 + 1, 2**63 - 1):
        content = f'{{"number": {number}}}'.encode()
        answer = answer_of(router, "POST", "/number", content=content, headers=JSON)
        assert answer.text == str(number)
    for digits in ("9" * 21, "9" * 400, "1e30"):
        content = f'{{"number": {digits}}}'.encode()
        answer = answer_of(router, "POST", "/number", content=content, headers=JSON)
        assert_refused(answer, "body", "number")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        *((b"text=x&a=%FF", 400), (b"text=a&text=b", 400), (b"a=b&" * 4000, 400)),
        *((b"", 422), (b"&", 422), (b"=", 422), (b"&" * 10_000, 400), (b"other=x", 422)),
        *((b"text=x&more=y", 422), (b"a" * FORM_LIMIT, 422), (b"\x00", 422)),
        *((b"a" * (FORM_LIMIT + 1), 413), (b"text=" + b"x" * 2 * MEBIBYTE, 413)),
    ],
    ids=short,
)
def test_a_wrong_form_is_refused(content: bytes, status: int) -> None:
    assert_problem(answer_of(router, "POST", "/form", content=content, headers=FORM), status)


def test_a_form_of_another_media_type_is_415() -> None:
    assert_problem(answer_of(router, "POST", "/form", content=b"text=x", headers=JSON), 415)


def test_a_form_that_is_right_reaches_the_route() -> None:
    answer = answer_of(router, "POST", "/form", content=b"text=x", headers=FORM)
    assert (answer.status_code, answer.json()) == (200, {"text": "x", "other": ""})


def test_a_form_with_a_field_twice_is_refused_by_name() -> None:
    answer = answer_of(router, "POST", "/form", content=b"text=a&text=b", headers=FORM)
    assert assert_problem(answer, 400)["detail"] == 'The body has the field "text" twice.'


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_form_that_is_compressed_is_415(encoding: str) -> None:
    headers = {**FORM, "Content-Encoding": encoding}
    answer = answer_of(router, "POST", "/form", content=b"text=x", headers=headers)
    assert_problem(answer, 415)
    assert answer.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("headers", [JSON, {}, FORM, {**JSON, "Content-Encoding": "gzip"}])
@pytest.mark.parametrize("content", [b"x", b"{}", b"", b'{"text": "a", "text": "b"}'])
def test_a_caller_is_refused_before_the_body_is(content: bytes, headers: dict[str, str]) -> None:
    answer = answer_of(router, "POST", "/private", content=content, headers=headers)
    assert_problem(answer, 401)


# On a route of the sample that needs a field, and on one that needs none.


@pytest.fixture(params=["POST", "PATCH"])
def target(request: pytest.FixtureRequest, client: httpx.Client) -> Iterator[tuple[str, str]]:
    """The method and path of a route that takes JSON. A body that it refuses changes nothing."""
    note = client.post("/notes/", json={"text": "Untouched"}).json()
    yield request.param, "/notes/" if request.param == "POST" else f"/notes/{note['id']}"
    assert client.get("/notes/").json() == [note]


def test_a_body_that_is_not_json_in_utf_8_is_400(
    client: httpx.Client, target: tuple[str, str], subtests: pytest.Subtests
) -> None:
    for content in hostile.NOT_JSON:
        with subtests.test(short(content)):
            assert_problem(client.request(*target, content=content, headers=JSON), 400)


def test_json_that_is_no_object_is_refused(
    client: httpx.Client, target: tuple[str, str], subtests: pytest.Subtests
) -> None:
    for content in hostile.NO_OBJECTS:
        with subtests.test(short(content)):
            answer = client.request(*target, content=content, headers=JSON)
            assert_refused(answer, "body")


def test_a_value_that_is_no_text_is_refused_and_not_repeated(
    client: httpx.Client, target: tuple[str, str], subtests: pytest.Subtests
) -> None:
    for value in [*hostile.NO_TEXTS, '""', f'"{"x" * 100_001}"', f'"{CANARY * 20_000}"']:
        with subtests.test(short(value)):
            answer = client.request(*target, content=f'{{"text": {value}}}', headers=JSON)
            assert_refused(answer, "body", "text")
            assert CANARY not in answer.text


def test_a_field_of_an_unknown_name_is_refused(
    client: httpx.Client, target: tuple[str, str]
) -> None:
    for name in (*hostile.NAMES, CANARY * 1000):
        content = json.dumps({"text": "x", name: 1})
        answer = client.request(*target, content=content, headers=JSON)
        assert_refused(answer, "body", name[:100])
    content = '{"text": "x", "\\ud800": 1}'
    assert_refused(client.request(*target, content=content, headers=JSON), "body")


def test_a_document_of_too_many_values_is_refused_unread(
    client: httpx.Client, target: tuple[str, str], subtests: pytest.Subtests
) -> None:
    for content in hostile.TOO_MANY_VALUES:
        with subtests.test(short(content)):
            answer = client.request(*target, content=content, headers=JSON)
            assert_refused(answer, "body")
            assert "1000 values" in answer.json()["errors"][0]["msg"]
            assert len(answer.content) < 1000


def test_hundreds_of_unknown_fields_are_one_error(
    client: httpx.Client, target: tuple[str, str]
) -> None:
    content = json.dumps({f"k{number}": 1 for number in range(900)})
    answer = client.request(*target, content=content, headers=JSON)
    assert_refused(answer, "body")
    assert len(answer.content) < 1000


def test_another_media_type_is_415(client: httpx.Client, target: tuple[str, str]) -> None:
    for media_type in hostile.MEDIA_TYPES:
        headers = {"Content-Type": media_type}
        assert_problem(client.request(*target, content=b'{"text": "x"}', headers=headers), 415)
    assert_problem(client.request(*target, content=b'{"text": "x"}'), 415)


@pytest.mark.parametrize("headers", [JSON, {}])
def test_no_body_at_all_is_refused(
    client: httpx.Client, target: tuple[str, str], headers: dict[str, str]
) -> None:
    assert_refused(client.request(*target, headers=headers), "body")


def test_a_body_with_a_field_twice_is_refused_by_name(
    client: httpx.Client, target: tuple[str, str]
) -> None:
    content = b'{"text": "a", "text": "b"}'
    answer = client.request(*target, content=content, headers=JSON)
    assert assert_problem(answer, 400)["detail"] == 'The body has the field "text" twice.'


def test_a_body_that_is_compressed_is_415(client: httpx.Client, target: tuple[str, str]) -> None:
    for encoding in ENCODINGS:
        headers = {**JSON, "Content-Encoding": encoding}
        answer = client.request(*target, content=b'{"text": "x"}', headers=headers)
        assert_problem(answer, 415)
        assert answer.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["identity", "Identity", "identity, identity", ""])
def test_a_body_may_say_that_it_is_not_compressed(client: httpx.Client, encoding: str) -> None:
    headers = {**JSON, "Content-Encoding": encoding}
    assert client.post("/notes/", content=b'{"text": "x"}', headers=headers).status_code == 201


def test_an_unknown_query_parameter_is_refused(
    client: httpx.Client, subtests: pytest.Subtests
) -> None:
    targets = [("GET", "/notes/"), ("POST", "/notes/")]
    targets += [(method, "/notes/1") for method in ("GET", "PATCH", "DELETE")]
    for method, path in targets:
        body = {"text": "x"} if method in {"POST", "PATCH"} else None
        for name, shown in hostile.PARAMETERS.items():
            with subtests.test(f"{method} {path} {short(name)}"):
                answer = client.request(method, f"{path}?{name}=1", json=body)
                assert_refused(answer, "query", shown)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"x" * 3 * MEBIBYTE, "application/json", 413),
        (b"{}", "text/plain", 415),
        (b"", "application/json", 422),
        (b'{"text": "x"}', "application/json", 422),
    ],
)
def test_what_cannot_be_read_comes_before_an_unknown_query_parameter(
    client: httpx.Client, content: bytes, kind: str, status: int
) -> None:
    answer = client.post("/notes/?x=1", content=content, headers={"Content-Type": kind})
    assert_problem(answer, status)


def test_a_query_parameter_that_is_not_utf_8_is_refused_by_name(
    client: httpx.Client, subtests: pytest.Subtests
) -> None:
    for value in hostile.NOT_UTF_8:
        for name in ("q", "sort", "cursor", "after", "skip", "limit", "count", "published"):
            with subtests.test(f"{name}={value}"):
                assert_refused(client.get(f"/notes/?{name}={value}"), "query", name)


def test_a_query_parameter_whose_name_is_not_utf_8_is_refused(
    client: httpx.Client, subtests: pytest.Subtests
) -> None:
    for name in (*hostile.NOT_UTF_8, "q%FF"):
        for query in (f"{name}=1", f"{name}={name}", f"{name}=1&{name}=1"):
            for method, path in (("GET", "/notes/"), ("GET", "/notes/1"), ("DELETE", "/notes/1")):
                with subtests.test(f"{method} {path}?{query}"):
                    assert_refused(client.request(method, f"{path}?{query}"), "query")


def test_a_query_parameter_that_is_sent_twice_is_refused_by_name(client: httpx.Client) -> None:
    for name, values in {"limit": "12", "after": "11", "count": ["true", "true"]}.items():
        query = "&".join(f"{name}={value}" for value in values)
        answer = client.get(f"/notes/?{query}")
        assert_refused(answer, "query", name)
        assert answer.json()["errors"][0]["type"] == "repeated"
    answer = client.get("/notes/?limit=1&limit=1&skip=1&skip=1&after=1")
    assert {tuple(error["loc"]) for error in answer.json()["errors"]} == {
        ("query", "limit"),
        ("query", "skip"),
    }
