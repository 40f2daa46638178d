"""Schemas: plain numbers, texts without NUL, no unknown field, and pages."""

from typing import Annotated, Any
from urllib.parse import unquote

import httpx
import pytest
from pydantic import TypeAdapter, ValidationError

from chassis.pages import Page
from chassis.schemas import MAX_FIELDS, Input, NoNul, Number, Output, RowId
from chassis_testing import hostile
from chassis_testing.fixtures import only
from chassis_testing.hostile import short
from chassis_testing.problem import assert_refused

pytestmark = only("sqlite")  # no value that is refused reaches the database

ROW_ID = TypeAdapter[int](RowId)
NUMBER = TypeAdapter[int](Number)
TEXT = TypeAdapter[str](Annotated[str, NoNul])


class Fields(Input):
    text: str = ""


class Stored:
    text = "stored"


class Shown(Output):
    text: str


@pytest.mark.parametrize("value", hostile.IDS, ids=short)
def test_a_value_that_is_no_id_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        ROW_ID.validate_python(unquote(value))


@pytest.mark.parametrize("value", ["1", "10", str(2**63 - 1), 1, 2**63 - 1])
def test_an_id_is_a_positive_number_that_a_database_can_store(value: Any) -> None:
    assert ROW_ID.validate_python(value) == int(value)


@pytest.mark.parametrize("value", ["", "x", "01", "-1", "+1", "1.0", "1_0", " 1", "\u0661", "1\n"])
def test_a_number_is_written_in_decimal_digits(value: str) -> None:
    with pytest.raises(ValidationError):
        NUMBER.validate_python(value)
    assert NUMBER.validate_python("0") == 0


def test_a_text_has_no_nul() -> None:
    assert TEXT.validate_python("a\x01é") == "a\x01é"
    with pytest.raises(ValidationError, match="NUL"):
        TEXT.validate_python("a\0")


@pytest.mark.parametrize("value", [None, 1, "x", [], Stored()], ids=short)
def test_an_input_is_an_object_and_nothing_else(value: object) -> None:
    with pytest.raises(ValidationError):
        Fields.model_validate(value, from_attributes=True)


def test_an_input_refuses_unknown_fields_each_by_name_and_very_many_at_once() -> None:
    for count, errors in [(MAX_FIELDS, MAX_FIELDS), (MAX_FIELDS + 1, 1)]:
        with pytest.raises(ValidationError) as refused:
            Fields.model_validate({f"k{number}": 1 for number in range(count)})
        assert refused.value.error_count() == errors


def test_an_output_is_read_from_attributes() -> None:
    assert Shown.model_validate(Stored()).text == "stored"


@pytest.mark.parametrize("query", hostile.OUT_OF_BOUNDS)
def test_a_page_has_bounds(query: str) -> None:
    with pytest.raises(ValidationError):
        Page.model_validate(dict([query.split("=")]))


@pytest.mark.parametrize("query", hostile.AT_BOUNDS)
def test_a_page_may_be_at_its_bounds(query: str) -> None:
    name, value = query.split("=")
    assert getattr(Page.model_validate({name: value}), name) == int(value)


def test_a_page_starts_by_skip_or_after() -> None:
    with pytest.raises(ValidationError, match="skip and after"):
        Page.model_validate({"skip": "1", "after": "1"})


def test_a_page_may_begin_after_an_id_beside_every_declared_default() -> None:
    defaults = {"skip": "0", "limit": "20", "count": "false"}
    assert Page.model_validate({**defaults, "after": "7"}).after == 7


# Through HTTP, where each is 422 and named.


def test_a_path_that_is_no_id_is_refused(client: httpx.Client, subtests: pytest.Subtests) -> None:
    for value in hostile.IDS:
        with subtests.test(short(value)):
            for method in ("GET", "PATCH", "DELETE"):
                body = {"text": "x"} if method == "PATCH" else None
                answer = client.request(method, f"/notes/{value}", json=body)
                assert_refused(answer, "path", "note_id")
            head = client.head(f"/notes/{value}")
            assert (head.status_code, head.content) == (422, b"")


def test_a_query_that_is_no_number_is_refused(
    client: httpx.Client, subtests: pytest.Subtests
) -> None:
    for value in hostile.NO_NUMBERS:
        for name in ("skip", "limit", "after"):
            with subtests.test(f"{name}={short(value)}"):
                assert_refused(client.get(f"/notes/?{name}={value}"), "query", name)


def test_a_query_that_is_no_boolean_is_refused(
    client: httpx.Client, subtests: pytest.Subtests
) -> None:
    for value in hostile.NO_BOOLEANS:
        with subtests.test(short(value)):
            assert_refused(client.get(f"/notes/?count={value}"), "query", "count")


def test_a_number_out_of_bounds_is_refused_and_one_at_its_bound_is_taken(
    client: httpx.Client,
) -> None:
    for query in hostile.OUT_OF_BOUNDS:
        assert_refused(client.get(f"/notes/?{query}"), "query", query.partition("=")[0])
    for query in hostile.AT_BOUNDS:
        assert client.get(f"/notes/?{query}").status_code == 200
    assert_refused(client.get("/notes/?skip=1&after=1"), "query")


def test_a_client_that_sends_every_default_of_the_document_gets_the_page(
    client: httpx.Client,
) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/notes/"]["get"]
    declared = {one["name"]: one["schema"] for one in operation["parameters"]}
    defaults = {name: it["default"] for name, it in declared.items() if it.get("default", "") != ""}
    assert defaults == {"skip": 0, "limit": 20, "count": False, "sort": "id"}
    for number in range(3):
        client.post("/notes/", json={"text": str(number)})
    first = client.get("/notes/").json()[0]["id"]
    sent = {name: str(value).lower() for name, value in defaults.items()}
    answer = client.get("/notes/", params={**sent, "after": first})
    assert [note["text"] for note in answer.json()] == ["1", "2"]


def test_the_document_allows_no_null_as_a_parameter(client: httpx.Client) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/notes/"]["get"]
    (after,) = [one["schema"] for one in operation["parameters"] if one["name"] == "after"]
    assert (after["type"], after["minimum"], after["maximum"]) == ("integer", 1, 2**63 - 1)
    assert "default" not in after
    assert_refused(client.get("/notes/?after="), "query", "after")
