"""Hostile input: always the right 4xx, naming the field, never showing what was sent."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import httpx
import pytest
import samples
from conftest import PASSWORD, User
from problem import CANARY, assert_problem, assert_refused
from samples import short

JSON = {"Content-Type": "application/json"}
MEBIBYTE = 1024 * 1024


@dataclass
class Target:
    """A route that takes JSON."""

    client: httpx.Client
    user: User
    method: str
    path: str
    valid: dict[str, Any]

    def send(self, content: Any, headers: dict[str, str] = JSON) -> httpx.Response:
        headers = self.user.headers | headers
        return self.client.request(self.method, self.path, content=content, headers=headers)

    def send_field(self, name: str, value: str) -> httpx.Response:
        """Send a valid body but for one field, whose value is given as JSON."""
        others = {other: json.dumps(text) for other, text in self.valid.items() if other != name}
        fields = (f"{json.dumps(key)}: {text}" for key, text in {**others, name: value}.items())
        return self.send(f"{{{', '.join(fields)}}}")


@pytest.fixture(params=["POST /articles/", "PATCH /articles/{}", "POST /users/"])
def target(
    request: pytest.FixtureRequest,
    client: httpx.Client,
    ann: User,
    write_article: Callable[..., dict[str, Any]],
) -> Iterator[Target]:
    """Whatever it refuses must change nothing."""
    article = write_article(ann)
    method, _, path = request.param.partition(" ")
    if path == "/users/":
        valid = {"email": "bob@example.com", "password": PASSWORD}
    else:
        valid = {"title": "x", "content": "x"}
    yield Target(client, ann, method, path.format(article["id"]), valid)
    assert client.get("/articles/", headers=ann.headers).json() == [article]
    assert [user["id"] for user in client.get("/users/", headers=ann.headers).json()] == [ann.id]


def test_what_is_no_id_is_refused(
    client: httpx.Client, ann: User, subtests: pytest.Subtests
) -> None:
    for value in samples.IDS:
        with subtests.test(short(value)):
            for method in ("GET", "PATCH", "DELETE"):
                body = {"title": "x"} if method == "PATCH" else None
                path = f"/articles/{value}"
                answer = client.request(method, path, json=body, headers=ann.headers)
                assert_refused(answer, "path", "article_id")
            answer = client.get(f"/users/{value}", headers=ann.headers)
            assert_refused(answer, "path", "user_id")


def test_what_is_no_number_is_refused(
    client: httpx.Client, ann: User, subtests: pytest.Subtests
) -> None:
    for value, name in product(samples.NO_NUMBERS, ("skip", "limit", "after", "owner_id")):
        for path in ("/articles/", *(["/users/"] if name != "owner_id" else [])):
            with subtests.test(f"{path} {name}={short(value)}"):
                answer = client.get(f"{path}?{name}={value}", headers=ann.headers)
                assert_refused(answer, "query", name)


def test_a_number_out_of_bounds_is_refused(client: httpx.Client) -> None:
    for name, value in samples.OUT_OF_BOUNDS:
        assert_refused(client.get(f"/articles/?{name}={value}"), "query", name)


def test_a_number_at_its_bound_is_taken(client: httpx.Client) -> None:
    for name, value in samples.AT_BOUNDS:
        assert client.get(f"/articles/?{name}={value}").status_code == 200
    assert client.get(f"/articles/?after={2**63 - 1}&owner_id={2**63 - 1}").json() == []


def test_what_is_no_boolean_is_refused(client: httpx.Client, subtests: pytest.Subtests) -> None:
    for value, name in product(samples.NO_BOOLEANS, ("is_published", "count")):
        with subtests.test(f"{name}={short(value)}"):
            assert_refused(client.get(f"/articles/?{name}={value}"), "query", name)


def test_skip_and_after_exclude_each_other(client: httpx.Client, ann: User) -> None:
    assert_refused(client.get("/articles/?skip=0&after=1"), "query")
    assert_refused(client.get("/users/?skip=0&after=1", headers=ann.headers), "query")


@pytest.mark.parametrize(
    "route",
    [
        *("GET /users/", "POST /users/", "GET /users/me", "GET /users/1", "GET /articles/"),
        *("GET /articles/1", "POST /articles/", "PATCH /articles/1", "DELETE /articles/1"),
        "GET /.well-known/jwks.json",
    ],
)
def test_an_unknown_query_parameter_is_refused(client: httpx.Client, ann: User, route: str) -> None:
    method, _, path = route.partition(" ")
    user, article = {"email": "b@example.com", "password": PASSWORD}, {"title": "x", "content": "x"}
    body = (user if path == "/users/" else article) if method in {"POST", "PATCH"} else None
    for name, shown in samples.PARAMETERS.items():
        answer = client.request(method, f"{path}?{name}=1", json=body, headers=ann.headers)
        assert_refused(answer, "query", shown)


def test_what_is_not_json_in_utf_8_is_400(target: Target, subtests: pytest.Subtests) -> None:
    for content in samples.NOT_JSON:
        with subtests.test(short(content)):
            assert_problem(target.send(content), 400)


def test_json_that_is_no_object_is_refused(target: Target, subtests: pytest.Subtests) -> None:
    for content in samples.NO_OBJECTS:
        with subtests.test(short(content)):
            assert_refused(target.send(content), "body")


def test_what_is_no_text_is_refused(target: Target, subtests: pytest.Subtests) -> None:
    for value, field in product(samples.NO_TEXTS, target.valid):
        with subtests.test(f"{field}: {short(value)}"):
            answer = target.send_field(field, value)
            assert_refused(answer, "body", field)
            assert CANARY not in answer.text


@pytest.mark.parametrize("target", ["POST /articles/", "PATCH /articles/{}"], indirect=True)
def test_what_is_no_flag_is_refused(target: Target, subtests: pytest.Subtests) -> None:
    for value in samples.NO_FLAGS:
        with subtests.test(short(value)):
            assert_refused(target.send_field("is_published", value), "body", "is_published")


@pytest.mark.parametrize("target", ["POST /articles/", "PATCH /articles/{}"], indirect=True)
def test_a_text_of_a_wrong_length_is_refused(target: Target) -> None:
    lengths = [("title", 0), ("title", 201), ("title", 10**6), ("content", 0), ("content", 100_001)]
    for field, length in lengths:
        assert_refused(target.send_field(field, f'"{"é" * length}"'), "body", field)


@pytest.mark.parametrize("target", ["POST /users/"], indirect=True)
def test_a_password_of_a_wrong_length_is_refused(target: Target) -> None:
    for length in (0, 7, 129, 5000, 10**6):
        assert_refused(target.send_field("password", f'"{"é" * length}"'), "body", "password")


@pytest.mark.parametrize("target", ["POST /users/"], indirect=True)
def test_what_is_no_email_is_refused(target: Target, subtests: pytest.Subtests) -> None:
    for email in samples.NO_EMAILS:
        with subtests.test(short(email)):
            answer = target.send_field("email", f'"{email}"')
            assert_refused(answer, "body", "email")
            assert CANARY not in answer.text
            assert "example.com" not in answer.text


@pytest.mark.parametrize("depth", range(900, 1000, 4))
def test_an_email_that_is_a_deep_document_is_refused(client: httpx.Client, depth: int) -> None:
    deep = '{"a":' * depth + "1" + "}" * depth
    content = f'{{"password": "{PASSWORD}", "email": {deep}}}'
    answer = client.post("/users/", content=content, headers=JSON)
    assert_problem(answer, answer.status_code)
    assert answer.status_code in {400, 422}


def test_a_field_of_an_unknown_name_is_refused(target: Target) -> None:
    for name in (*samples.NAMES, CANARY * 1000):
        assert_refused(target.send_field(name, "1"), "body", name[:100])
    assert_refused(target.send_field("\ud800", "1"), "body")


def test_thousands_of_unknown_fields_are_refused_at_once(target: Target) -> None:
    answer = target.send(json.dumps({f"k{number}": 1 for number in range(100_000)}))
    assert_refused(answer, "body")
    assert len(answer.content) < 1000


def test_another_media_type_is_415(target: Target) -> None:
    for media_type in samples.MEDIA:
        answer = target.send(json.dumps(target.valid), {"Content-Type": media_type})
        assert_problem(answer, 415)
    assert_problem(target.send(json.dumps(target.valid), {}), 415)


def test_no_body_at_all_is_refused(target: Target) -> None:
    assert_refused(target.send(None), "body")
    assert_refused(target.send(None, {}), "body")


def test_who_is_not_signed_in_is_told_so_before_the_media_type(client: httpx.Client) -> None:
    for method, path in [("POST", "/articles/"), ("PATCH", "/articles/1")]:
        assert_problem(client.request(method, path, content=b"x"), 401)
        assert_problem(client.request(method, path, content=b"x", headers=JSON), 401)


def test_a_body_above_two_mebibytes_is_413(target: Target) -> None:
    for excess in (1, 2 * MEBIBYTE):
        content = json.dumps(target.valid).encode().ljust(2 * MEBIBYTE + excess)
        assert_problem(target.send(content), 413)
        assert_problem(target.send(samples.chunks(content)), 413)


def test_a_body_of_two_mebibytes_is_taken(client: httpx.Client, ann: User) -> None:
    content = b'{"title": "x", "content": "x"}'.ljust(2 * MEBIBYTE)
    for body in (content, samples.chunks(content)):
        answer = client.post("/articles/", content=body, headers=JSON | ann.headers)
        assert answer.status_code == 201


def test_a_form_above_two_mebibytes_is_413(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    content = b"username=a&password=".ljust(2 * MEBIBYTE + 1, b"x")
    assert_problem(client.post("/auth/token", content=content, headers=headers), 413)
