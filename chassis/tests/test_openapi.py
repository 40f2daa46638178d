"""The document: which header fields and problems each route's answers have."""

from typing import Any

import httpx
import pytest
import sample
from fastapi import APIRouter

from chassis.app import make_app
from chassis.callers import SignedInId
from chassis.openapi import problem_responses
from chassis.routes import Route
from chassis_testing.fixtures import only
from chassis_testing.keys import SigningKey

pytestmark = only("sqlite")

router = APIRouter(prefix="/x", tags=["x"], route_class=Route, responses=problem_responses(403))


@router.post("/secret", responses=problem_responses(409))
async def make_secret(_caller_id: SignedInId) -> str:
    return "x"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    app = make_app(
        "sample",
        sample.lifespan_of(sample.Settings(database_url="sqlite://")),
        sample.router,
        router,
        tags={"x": "What is secret."},
    )
    app.state.token_verifier = SigningKey().verifier
    app.openapi()
    return app.openapi()  # the second time as the first


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("/notes/", "get", {"200", "422", "503"}),
        ("/notes/", "post", {"201", "400", "413", "415", "422", "503", "504", "507"}),
        ("/notes/{note_id}", "get", {"200", "304", "404", "412", "422", "503"}),
        (
            "/notes/{note_id}",
            "patch",
            {"200", "400", "404", "412", "413", "415", "422", "503", "504", "507"},
        ),
        ("/notes/{note_id}", "delete", {"204", "404", "412", "422", "503", "504", "507"}),
        ("/x/secret", "post", {"200", "401", "403", "409", "422", "503"}),
    ],
)
def test_each_route_lists_the_statuses_that_it_answers_with(
    document: dict[str, Any], path: str, method: str, statuses: set[str]
) -> None:
    responses = document["paths"][path][method]["responses"]
    assert set(responses) == {*statuses, "default"}
    assert list(responses) == sorted(responses)


def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for item in document["paths"].values():
        for operation in item.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    name = response["$ref"].removeprefix("#/components/responses/")
                    [media_type] = document["components"]["responses"][name]["content"]
                    assert media_type == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "method", "status", "fields"),
    [
        ("/notes/", "get", "200", {"Link", "X-Total-Count"}),
        ("/notes/", "post", "201", {"Location", "ETag", "Idempotent-Replayed"}),
        ("/notes/{note_id}", "get", "200", {"ETag"}),
        ("/notes/{note_id}", "get", "304", {"ETag"}),
        ("/notes/{note_id}", "patch", "200", {"ETag"}),
        ("/notes/{note_id}", "delete", "204", set()),
    ],
)
def test_a_success_lists_its_header_fields(
    document: dict[str, Any], path: str, method: str, status: str, fields: set[str]
) -> None:
    headers = document["paths"][path][method]["responses"][status]["headers"]
    assert set(headers) == {"X-Request-ID", "Cache-Control", "Vary", *fields}


def test_a_route_lists_the_header_field_that_it_takes(document: dict[str, Any]) -> None:
    taken = {
        (path, method): parameter["name"]
        for path, item in document["paths"].items()
        for method, operation in item.items()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "header"
    }
    assert taken == {
        ("/notes/", "post"): "Idempotency-Key",
        ("/notes/{note_id}", "get"): "If-None-Match",
        ("/notes/{note_id}", "patch"): "If-Match",
        ("/notes/{note_id}", "delete"): "If-Match",
    }


def test_problems_list_the_header_fields_of_their_status(document: dict[str, Any]) -> None:
    responses = document["components"]["responses"]
    assert "WWW-Authenticate" in responses["Unauthorized"]["headers"]
    assert "Retry-After" in responses["ServiceUnavailable"]["headers"]
    assert "Allow" in responses["Problem"]["headers"]


def test_an_operation_is_named_by_its_function(document: dict[str, Any]) -> None:
    names = [one["operationId"] for item in document["paths"].values() for one in item.values()]
    assert set(names) == {
        *("list_notes", "get_note", "create_note", "update_note", "delete_note", "make_secret"),
    }


def test_a_tag_has_its_description(document: dict[str, Any]) -> None:
    assert document["tags"] == [{"name": "x", "description": "What is secret."}]


def test_a_problem_has_the_members_that_the_document_promises(
    document: dict[str, Any], client: httpx.Client
) -> None:
    schemas = document["components"]["schemas"]
    promised = set(schemas["Problem"]["properties"]) - {"error"}  # of OAuth2 alone
    answer = client.post("/notes/", json={}).json()
    assert set(answer) == promised
    assert set(client.get("/notes/1").json()) == promised - {"errors"}
    assert set(schemas["Problem"]["required"]) == promised - {"errors"}
    assert set(answer["errors"][0]) == set(schemas["FieldError"]["required"])
