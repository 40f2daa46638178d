"""Bodies: read strictly. What cannot be read is an error, with the status of its answer."""

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message

from chassis.requests import StrictRequest, UnreadableBodyError
from chassis_testing import hostile
from chassis_testing.fixtures import only
from chassis_testing.hostile import FORM, short

pytestmark = only("sqlite")  # no body that is refused reaches the database

FORMS = [
    (b"", {}),
    (b"a=1&b=2", {"a": "1", "b": "2"}),
    (b"a=&b", {"a": "", "b": ""}),
    (b"a=x+y%20z", {"a": "x y z"}),
    ("a=pässwörd".encode(), {"a": "pässwörd"}),
    (b"a=%zz", {"a": "%zz"}),
]
NO_FORMS = [
    *(b"a=%FF", b"a=\xff", b"%FF=1", b"\xff=1", b"a=%ED%A0%80", b"a=\xed\xa0\x80", b"a=%C0%80"),
    *(b"a=1&a=2", b"a=1&" * 101, b"&".join([b"a=1"] * 101)),
]


def request_of(body: bytes, media_type: str | None) -> StrictRequest:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", media_type.encode("latin-1"))] if media_type is not None else []
    return StrictRequest({"type": "http", "headers": headers}, receive)


def json_of(body: bytes, media_type: str | None = "application/json") -> Any:
    return asyncio.run(request_of(body, media_type).json())


def form_of(body: bytes, media_type: str | None = FORM["Content-Type"]) -> Any:
    return asyncio.run(request_of(body, media_type).form())


@pytest.mark.parametrize("text", ['{"a": [1, null, "\\u00e9"]}', " 0 ", '"x"', '"\U0001f600"'])
def test_json_is_read_as_it_is_meant(text: str) -> None:
    assert json_of(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    "digits", ["0", "-1", "9007199254740993", str(2**63 - 1), str(-(2**63)), "9" * 20]
)
def test_a_whole_number_keeps_its_digits(digits: str) -> None:
    number = json_of(digits.encode())
    assert (type(number), str(number)) == (int, digits)


@pytest.mark.parametrize("length", [21, 308, 9999, 65_000])
def test_a_whole_number_may_have_any_length_and_is_then_a_float(length: int) -> None:
    assert json_of(b"9" * length) == float("9" * length)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"a": 1, "b": 2, "b": 2}', "b"),
        (b'{"b": [{"c": {}}], "a": 1, "\\u0061": 2}', "a"),
        (b'{"a": [{"b": 1, "b": null}], "c": 1}', "b"),
        (b'{"%b": 1, "%b": 2}' % (b"n" * 500, b"n" * 500), "n" * 100),
        (rb'{"\ud800": 1, "\uD800": 2}', r"\ud800"),
    ],
)
def test_json_with_a_name_twice_is_unreadable_and_the_name_is_shown(body: bytes, name: str) -> None:
    with pytest.raises(UnreadableBodyError) as error:
        json_of(body)
    refusal = (error.value.status_code, error.value.detail)
    assert refusal == (400, f'The body has the field "{name}" twice.')


def test_json_with_a_name_once_in_each_of_two_objects_is_read() -> None:
    assert json_of(b'{"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}')["b"] == [{"a": 2}, {"a": 3}]


@pytest.mark.parametrize("body", hostile.NOT_JSON, ids=short)
def test_a_body_that_is_not_json_in_utf_8_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableBodyError) as error:
        json_of(body)
    assert error.value.status_code == 400


@pytest.mark.parametrize("media_type", [*hostile.MEDIA_TYPES, None], ids=short)
def test_json_of_another_media_type_is_unreadable(media_type: str | None) -> None:
    with pytest.raises(UnreadableBodyError) as error:
        json_of(b"{}", media_type)
    assert error.value.status_code == 415


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON "])
def test_json_may_be_named_with_parameters_and_in_any_letter_case(media_type: str) -> None:
    assert json_of(b"{}", media_type) == {}


@pytest.mark.parametrize(("body", "fields"), FORMS)
def test_a_form_is_read_as_oauth2_encodes_it(body: bytes, fields: dict[str, str]) -> None:
    assert dict(form_of(body)) == fields


def test_an_empty_form_needs_no_media_type() -> None:
    assert dict(form_of(b"", None)) == {}


@pytest.mark.parametrize("body", NO_FORMS, ids=short)
def test_a_form_that_is_not_utf_8_or_repeats_a_field_or_has_too_many_is_unreadable(
    body: bytes,
) -> None:
    with pytest.raises(UnreadableBodyError) as error:
        form_of(body)
    assert error.value.status_code == 400


@pytest.mark.parametrize("media_type", ["application/json", "multipart/form-data", "x", "", None])
def test_a_form_of_another_media_type_is_unreadable(media_type: str | None) -> None:
    with pytest.raises(UnreadableBodyError) as error:
        form_of(b"a=1", media_type)
    assert error.value.status_code == 415
