"""The documentation of all routes: what it promises is what they do."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate
from support.api import Json, User, sign_up, word, write_article, write_post
from support.contract import FORMS, ROUTES, Route, call, each_route, valid_body

NOBODYS_ID = 2**62
TOO_LARGE = b" " * (2 * 1024 * 1024 + 1)
# The header fields that only some answers have.
OF_A_LIST_OR_A_CREATION = {"link", "location", "x-total-count"}
FIELDS = OF_A_LIST_OR_A_CREATION | {"retry-after", "allow", "www-authenticate", "etag"}


@pytest.fixture(scope="module")
def document(api: httpx.Client) -> Json:
    found: Json = api.get("/openapi.json").json()
    return found


def operation(document: Json, route: Route) -> Json:
    found: Json = document["paths"][re.sub(r"(\w+)}", r"\1_id}", route.path)][route.method.lower()]
    return found


def documented(document: Json, route: Route, answer: httpx.Response) -> set[str]:
    """Return the header fields that the document promises of such an answer."""
    responses = operation(document, route)["responses"]
    assert str(answer.status_code) in responses, f"{answer.status_code} is not documented"
    response = responses[str(answer.status_code)]
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return FIELDS & {name.lower() for name in response["headers"]}


def sent(answer: httpx.Response) -> set[str]:
    return FIELDS & {name.lower() for name in answer.headers}


def test_the_documentation_lists_every_route_and_loads_nothing_from_elsewhere(
    api: httpx.Client, document: Json
) -> None:
    assert document["openapi"].startswith("3.1")
    assert all(operation(document, route) for route in ROUTES)
    assert "/posts" not in document["paths"]
    assert not re.search(r"""(src|href)=["'](https?:)?//""", api.get("/docs").text)
    assert "/docs" in api.get("/").text


def test_the_document_of_all_routes_is_valid_openapi(document: Json) -> None:
    validate(document)


def test_the_names_in_the_document_are_good_names_in_any_language(document: Json) -> None:
    for route in ROUTES:
        assert operation(document, route)["operationId"] == route.name
    for section in ("schemas", "responses"):
        for name in document["components"][section]:
            assert re.fullmatch("([A-Z][a-z]+)+", name), name
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert {tag for route in ROUTES for tag in operation(document, route)["tags"]} == tags


@each_route
def test_a_success_has_the_header_fields_that_the_document_promises(
    api: httpx.Client,
    author: User,
    bob: User,
    ids: dict[str, int],
    *,
    document: Json,
    route: Route,
) -> None:
    path = route.path.format(**ids)
    if route.method == "GET" and route.is_collection:
        for _ in range(2):  # so that there is a next page
            write_post(api, bob, published=True)
            write_article(api, bob, is_published=True)
        path += "?limit=1&count=true"
    answer = call(api, route, path, author)
    assert answer.status_code == route.status
    assert sent(answer) <= documented(document, route, answer)
    promised = OF_A_LIST_OR_A_CREATION & documented(document, route, answer)
    assert promised == OF_A_LIST_OR_A_CREATION & sent(answer)


@each_route
def test_a_route_answers_with_all_the_errors_in_the_document_and_no_other(
    api: httpx.Client,
    author: User,
    bob: User,
    ids: dict[str, int],
    *,
    document: Json,
    route: Route,
) -> None:
    promised = {it for it in operation(document, route)["responses"] if it.startswith("4")}
    takes_body = "requestBody" in operation(document, route)
    seen = set()
    for answer in mistakes(api, route, ids, author, bob, takes_body=takes_body):
        assert sent(answer) <= documented(document, route, answer)
        seen.add(str(answer.status_code))
    assert {it for it in seen if it.startswith("4")} == promised - {"429"}


def mistakes(
    api: httpx.Client,
    route: Route,
    ids: dict[str, int],
    author: User,
    stranger: User,
    *,
    takes_body: bool,
) -> Iterator[httpx.Response]:
    """Yield the answer to one mistake after another."""
    path, auth = route.path.format(**ids), author.auth if route.signed_in else {}
    kind, body = "application/json", json.dumps(valid_body(path)).encode()
    if path in FORMS:
        kind, body = (
            "application/x-www-form-urlencoded",
            f"username={word()}&password=y&token=z".encode(),
        )

    def ask(path: str, **changed: Any) -> httpx.Response:
        options: Json = (
            {"content": body, "headers": {"Content-Type": kind, **auth}} if takes_body else {}
        )
        return api.request(route.method, path, **{"headers": auth, **options, **changed})

    yield ask(path + "?unknown=1")
    yield ask(path, headers={"Content-Type": kind, "Authorization": "Bearer x"})
    yield ask(route.path.format(**dict.fromkeys(ids, NOBODYS_ID)))
    if route.path in ("/posts/{post}", "/articles/{article}"):
        yield ask(path, headers={"Content-Type": kind, "If-Match": '"another"', **auth})
    if takes_body:
        yield ask(path, content=b"\xff")
        yield ask(path, content=TOO_LARGE)
        yield ask(path, headers={"Content-Type": "text/plain", **auth})
    if route.path == "/users/" and takes_body:
        yield sign_up(api, author.email)
    if route.path == "/users/me" and takes_body:
        for changed in ({"current_password": "wrong password"}, {"email": stranger.email}):
            yield ask(path, content=json.dumps(valid_body(path) | changed).encode())
    if route.signed_in:
        yield ask(path, headers={"Content-Type": kind, **stranger.auth})


@each_route
def test_the_example_of_a_body_is_accepted(
    api: httpx.Client, author: User, ids: dict[str, int], document: Json, route: Route
) -> None:
    content = operation(document, route).get("requestBody", {"content": {}})["content"]
    for media_type, described in content.items():
        name = described["schema"]["$ref"].rpartition("/")[2]
        [example] = document["components"]["schemas"][name]["examples"]
        as_sent = {"data" if media_type.endswith("urlencoded") else "json": example}
        path = route.path.format(**ids)
        answer = api.request(route.method, path, headers=author.auth, **as_sent)
        # Somebody may have signed up with the example, and nobody here has its password.
        refused = 403 if "current_password" in example else 409 if "email" in example else 401
        assert answer.status_code in {route.status, refused}


@pytest.mark.parametrize("name", ["PostOut", "ArticleOut", "UserOut"])
def test_the_example_of_an_answer_has_all_fields(document: Json, name: str) -> None:
    schema = document["components"]["schemas"][name]
    [example] = schema["examples"]
    assert set(example) == set(schema["properties"])
