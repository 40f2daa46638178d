"""Preconditions: ETag, If-Match and If-None-Match (RFC 9110, section 13)."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import httpx
import pytest
import sample
from conftest import Write
from fastapi import Response
from starlette.types import Scope

from chassis.errors import ChangedError
from chassis.preconditions import ConditionalRequest, entity_tag
from chassis_testing.fixtures import Sql
from chassis_testing.problem import assert_problem

Fields = list[tuple[str, str]]
METHODS = ["GET", "HEAD", "PATCH", "DELETE"]
CURRENT = '"1"'
WRONG = '"2"'

# Each names the tag "1".
LISTS = [CURRENT, f'"0", {CURRENT}', f'"0",{CURRENT},"2"', f",\t{CURRENT} ,,", "*"]
# None of these does, and most are no list of tags.
OTHERS = [
    WRONG,
    '"11", "01", "1-", "-1"',
    *(
        "",
        ",",
        "1",
        "'1'",
        '"1',
        '1"',
        '""1""',
        '"1";x',
        "*x",
        '"*"',
        '*, "2"',
        "*, *",
        '"1\t"',
        '"\xff"',
    ),
    '"' * 8_000,
    'W/"1"' * 1_000,
    ", ".join(f'"{number}"' for number in range(2, 1_500)),
]


def ask(client: httpx.Client, method: str, note: dict[str, Any], fields: Fields) -> httpx.Response:
    body = {"text": "New"} if method == "PATCH" else None
    headers = [(name.encode(), value.encode("latin-1")) for name, value in fields]
    return client.request(method, f"/notes/{note['id']}", json=body, headers=headers)


def test_a_tag_is_strong_and_names_what_is_shown() -> None:
    assert entity_tag(7) == entity_tag(7, None) == '"7"'
    tags = [
        entity_tag(7),
        entity_tag(8),
        entity_tag(7, "ada"),
        entity_tag(8, "ada"),
        entity_tag(7, "a", "da"),
        entity_tag(7, "bob"),
        entity_tag(7, ""),
    ]
    assert len(set(tags)) == len(tags)
    assert entity_tag(7, "ada") == entity_tag(7, "ada")
    assert all(tag.startswith(('"7', '"8')) and tag.endswith('"') for tag in tags)


def test_every_answer_that_shows_a_note_has_its_tag(client: httpx.Client) -> None:
    created = client.post("/notes/", json={"text": "x"})
    path = created.headers["Location"]
    assert created.headers["ETag"] == CURRENT
    assert client.get(path).headers["ETag"] == CURRENT
    assert client.head(path).headers["ETag"] == CURRENT
    changed = client.patch(path, json={"text": "y"})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert client.get(path).headers["ETag"] == '"2"'
    assert "ETag" not in client.get("/notes/").headers
    assert "ETag" not in client.delete(path).headers


@pytest.mark.parametrize("body", [{}, {"text": "A note"}])
def test_a_change_of_nothing_keeps_the_tag(
    client: httpx.Client, write_note: Write, body: dict[str, str]
) -> None:
    note = write_note("A note")
    answer = client.patch(f"/notes/{note['id']}", json=body)
    assert (answer.status_code, answer.headers["ETag"], answer.json()) == (200, CURRENT, note)


def test_if_match_is_412_unless_it_names_the_stored_tag(
    client: httpx.Client, write_note: Write
) -> None:
    note = write_note()
    for value, method in product(OTHERS, METHODS):
        answer = ask(client, method, note, [("If-Match", value)])
        assert answer.status_code == 412, (method, value)
        if method != "HEAD":
            assert_problem(answer, 412)
    assert client.get(f"/notes/{note['id']}").json() == note
    for value, method in product(LISTS, METHODS):
        assert ask(client, method, write_note(), [("If-Match", value)]).is_success, (method, value)


def test_if_none_match_is_304_or_412_if_it_names_the_stored_tag(
    client: httpx.Client, write_note: Write
) -> None:
    note = write_note()
    for value, method in product(LISTS, METHODS):
        answer = ask(client, method, note, [("If-None-Match", value)])
        expected = 304 if method in {"GET", "HEAD"} else 412
        assert answer.status_code == expected, (method, value)
    assert client.get(f"/notes/{note['id']}").json() == note
    for value in OTHERS:
        assert ask(client, "GET", note, [("If-None-Match", value)]).status_code == 200, value
    for method in METHODS:
        assert ask(client, method, write_note(), [("If-None-Match", WRONG)]).is_success, method


def test_a_weak_tag_matches_by_weak_comparison_alone(
    client: httpx.Client, write_note: Write
) -> None:
    note = write_note()
    for method in METHODS:
        assert ask(client, method, note, [("If-Match", 'W/"1"')]).status_code == 412
    for value in ('W/"1"', '"0", W/"1"'):
        assert ask(client, "GET", note, [("If-None-Match", value)]).status_code == 304
    assert ask(client, "GET", note, [("If-None-Match", 'w/"1"')]).status_code == 200


@pytest.mark.parametrize(
    ("fields", "statuses"),
    [
        # If-Match comes first, on every method.
        ([("If-Match", WRONG), ("If-None-Match", CURRENT)], [412, 412, 412, 412]),
        ([("If-Match", WRONG), ("If-None-Match", WRONG)], [412, 412, 412, 412]),
        ([("If-Match", CURRENT), ("If-None-Match", CURRENT)], [304, 304, 412, 412]),
        ([("If-Match", "*"), ("If-None-Match", "*")], [304, 304, 412, 412]),
        ([("If-Match", CURRENT), ("If-None-Match", WRONG)], [200, 200, 200, 204]),
        # Repeated fields are one list.
        ([("If-Match", WRONG), ("If-Match", CURRENT)], [200, 200, 200, 204]),
        ([("If-None-Match", CURRENT), ("If-None-Match", WRONG)], [304, 304, 412, 412]),
        # A date is ignored where there is none to compare it with.
        ([("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT")], [200, 200, 200, 204]),
        ([("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")], [200, 200, 200, 204]),
    ],
)
def test_preconditions_are_taken_in_the_order_of_the_standard(
    client: httpx.Client, write_note: Write, fields: Fields, statuses: list[int]
) -> None:
    notes = [write_note() for _ in METHODS]
    answers = [ask(client, *each, fields) for each in zip(METHODS, notes, strict=True)]
    assert [answer.status_code for answer in answers] == statuses


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_304_has_the_fields_of_the_200_and_no_content(
    client: httpx.Client, write_note: Write, method: str
) -> None:
    note = write_note()
    whole = ask(client, method, note, [])
    for _ in range(2):  # on one connection: nothing of the first is left over
        answer = ask(client, method, note, [("If-None-Match", CURRENT), ("X-Request-ID", "x")])
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["X-Request-ID"] == "x"
        for name in ("ETag", "Cache-Control", "Vary"):
            assert answer.headers[name] == whole.headers[name]
        assert not {"content-type", "content-length", "transfer-encoding"} & set(answer.headers)
    assert ask(client, method, note, []).status_code == 200


@pytest.mark.parametrize("value", ["*", CURRENT, "nonsense"])
@pytest.mark.parametrize("field", ["If-Match", "If-None-Match"])
def test_what_is_refused_anyway_is_refused_as_without_preconditions(
    client: httpx.Client, write_note: Write, field: str, value: str
) -> None:
    headers = {field: value}
    missing = {"id": 2**62}
    for method in METHODS:
        assert ask(client, method, missing, [(field, value)]).status_code == 404
    path = f"/notes/{write_note()['id']}"
    assert client.patch(path, json={"text": ""}, headers=headers).status_code == 422
    assert client.patch(path, content=b"{", headers=headers).status_code == 415
    assert client.get(f"{path}?x=1", headers=headers).status_code == 422
    assert client.get("/notes/", headers=headers).status_code == 200
    assert client.post("/notes/", json={"text": "x"}, headers=headers).status_code == 201


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_of_twenty_changes_at_once_with_one_tag_one_is_made(
    client: httpx.Client, write_note: Write, method: str
) -> None:
    note = write_note()

    def change(number: int) -> int:
        body = {"text": f"By {number}"} if method == "PATCH" else None
        path, headers = f"/notes/{note['id']}", {"If-Match": CURRENT}
        return client.request(method, path, json=body, headers=headers).status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = sorted(pool.map(change, range(20)))
    if method == "PATCH":
        assert statuses == [200, *[412] * 19]
        assert client.get(f"/notes/{note['id']}").headers["ETag"] == '"2"'
    else:
        assert statuses == [204, *[404] * 19]


def test_twenty_changes_at_once_without_a_tag_are_all_made(
    client: httpx.Client, write_note: Write, sql: Sql
) -> None:
    note = write_note()

    def change(number: int) -> int:
        return client.patch(f"/notes/{note['id']}", json={"text": f"By {number}"}).status_code

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(change, range(20))) == {200}
    assert sql("SELECT version FROM notes")[0] == (21,)


def request_with(*fields: tuple[str, str]) -> ConditionalRequest:
    headers = [(name.lower().encode(), value.encode()) for name, value in fields]
    scope: Scope = {"type": "http", "method": "PATCH", "headers": headers}
    return ConditionalRequest(scope)


def test_a_tag_that_was_read_without_the_others_allows_a_change_too() -> None:
    note = sample.Note(version=7)
    request = request_with()
    assert request.show(note, "ada") is note
    assert request.finish(Response()).headers["ETag"] == entity_tag(7, "ada")
    for tag in (entity_tag(7), entity_tag(7, "ada")):
        request_with(("If-Match", tag)).check(7, "ada")
    for tag in (entity_tag(7, "bob"), entity_tag(6, "ada"), entity_tag(6)):
        with pytest.raises(ChangedError):
            request_with(("If-Match", tag)).check(7, "ada")
