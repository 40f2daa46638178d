"""Idempotency-Key: the first answer again, and nothing more is created."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import sample
import sqlalchemy as sa
from fastapi import APIRouter, Response
from sending import NOTE, REPLAYED, assert_first, assert_replayed, count, write

from chassis import first_answers
from chassis.errors import ConflictError
from chassis.idempotency import idempotent
from chassis.routes import Route
from chassis_testing.fixtures import Server, Sql, Statements
from chassis_testing.problem import assert_problem, assert_refused

router = APIRouter(route_class=Route)


@router.post("/only", status_code=201, response_model=sample.NoteOut)
@idempotent
def write_unless_it_is_there(
    note: sample.NoteCreate, db: sample.Db, response: Response
) -> sample.Note:
    created = sample.Note(text=note.text)
    db.add(created)
    db.flush()
    if db.scalar(sa.select(sa.func.count()).where(sample.Note.text == note.text)) != 1:
        raise ConflictError("It is there.")
    response.headers["ETag"] = '"1"'
    return created


@pytest.fixture
def more_routes(client: httpx.Client, server: Server) -> Iterator[httpx.Client]:
    """A client of the sample with the routes above."""
    app = server[0]
    kept = list(app.router.routes)
    app.include_router(router)
    yield client
    app.router.routes[:] = kept


def test_the_same_request_has_the_first_answer_again(client: httpx.Client, sql: Sql) -> None:
    first = assert_first(write(client))
    assert first.json() == client.get(first.headers["Location"]).json()
    for path in ("/notes/", "/notes"):
        assert_replayed(write(client, path=path), first)
    assert count(sql) == 1
    assert_first(write(client, "another key"))
    assert_first(client.post("/notes/", json=NOTE))
    assert count(sql) == 3


def test_the_first_answer_stays_when_what_was_created_is_gone(
    client: httpx.Client, sql: Sql
) -> None:
    first = write(client)
    assert client.delete(first.headers["Location"]).status_code == 204
    assert_replayed(write(client), first)
    assert count(sql) == 0


def test_another_body_is_refused_and_changes_nothing(client: httpx.Client, sql: Sql) -> None:
    first = write(client)
    assert_refused(write(client, text="y"), "header", "Idempotency-Key")
    assert_replayed(write(client), first)
    assert count(sql) == 1


def test_the_same_body_may_be_written_in_another_way(client: httpx.Client) -> None:
    first = write(client)
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json; charset=utf-8"}
    answer = client.post("/notes", content=b' {"te\\u0078t" :\n"x"}', headers=headers)
    assert_replayed(answer, first)


def test_each_route_has_keys_of_its_own(more_routes: httpx.Client, sql: Sql) -> None:
    assert_first(write(more_routes))
    first = assert_first(write(more_routes, path="/only", text="y"))
    assert first.headers["ETag"] == '"1"'
    assert_replayed(write(more_routes, path="/only", text="y"), first)
    assert count(sql) == 2


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        ("k", '"k"', True),
        ('"a b"', "a b", True),
        (r'"a\\b\"c"', r'"a\\b\"c"', True),
        (r'"a\\b"', r"a\b", True),
        ("~" * 255, f'"{"~" * 255}"', True),
        (r'"{}"'.format(r"\"" * 255), r'"{}"'.format(r"\"" * 255), True),
        ("'k'", "k", False),
        ("k", "K", False),
        ("%6B", "k", False),
    ],
)
def test_a_key_is_the_same_with_and_without_quotes(
    client: httpx.Client, sql: Sql, *, one: str, other: str, are_equal: bool
) -> None:
    assert_first(write(client, one))
    assert (REPLAYED in write(client, other).headers) is are_equal
    assert count(sql) == (1 if are_equal else 2)


@pytest.mark.parametrize(
    "sent",
    [
        *(b"", b'""', b'"', b'"k', b'k"', b'a"b', b'"a"b"', b'"k";a=1', rb'"\k"', b'"k\\"'),
        *(b"k" * 256, b'"%s"' % (b"k" * 256), b"k" * 9000, b"a\tb", b'"\t"'),
        *("é".encode(), "\U0001f4a9".encode(), b"\xff", b"k\x80"),
    ],
)
def test_a_malformed_key_is_refused(client: httpx.Client, sql: Sql, *, sent: bytes) -> None:
    answer = client.post("/notes/", json=NOTE, headers=[(b"Idempotency-Key", sent)])
    assert_refused(answer, "header", "Idempotency-Key")
    assert "255" in answer.json()["errors"][0]["msg"]
    assert count(sql) == count(sql, "idempotency_keys") == 0


@pytest.mark.parametrize("second", ["k", "another", ""])
def test_two_keys_are_refused(client: httpx.Client, sql: Sql, second: str) -> None:
    headers = [("Idempotency-Key", "k"), ("Idempotency-Key", second)]
    answer = client.post("/notes/", json=NOTE, headers=headers)
    assert_refused(answer, "header", "Idempotency-Key")
    assert count(sql) == 0


def test_an_error_is_not_kept(more_routes: httpx.Client, sql: Sql) -> None:
    assert_problem(write(more_routes, text=""), 422)
    first = assert_first(write(more_routes))
    for _ in range(2):
        assert_problem(write(more_routes, path="/only"), 409)
    assert more_routes.delete(first.headers["Location"]).status_code == 204
    first = assert_first(write(more_routes, path="/only"))
    assert_replayed(write(more_routes, path="/only"), first)
    assert count(sql) == 1


def test_a_key_is_new_again_after_a_day(
    client: httpx.Client, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(first_answers, "KEPT", first_answers.KEPT - timedelta(hours=24))
        assert_first(write(client))
    second = assert_first(write(client, text="y"))
    assert_replayed(write(client, text="y"), second)
    ((expires_at,),) = sql("SELECT expires_at FROM idempotency_keys")
    if isinstance(expires_at, str):  # SQLite's
        expires_at = datetime.fromisoformat(f"{expires_at}Z")
    assert timedelta(hours=23.9) < expires_at - datetime.now(UTC) <= timedelta(hours=24)
    assert count(sql) == 2


def test_expired_keys_go_away_a_few_at_a_time(
    client: httpx.Client, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(first_answers, "delete_expired", lambda *_: None)
        assert_first(write(client, "young"))
        earlier.setattr(first_answers, "KEPT", timedelta(0))
        for number in range(15):
            assert_first(write(client, f"old{number}"))
    left = []
    for number in range(3):
        assert_first(write(client, f"new{number}"))
        left.append(count(sql, "idempotency_keys"))
    assert left == [7, 3, 4]
    assert REPLAYED in write(client, "young").headers


@pytest.mark.parametrize(("key", "statements_sent"), [(None, 1), ("k", 4)])
def test_a_request_without_a_key_costs_nothing_more(
    client: httpx.Client, statements: Statements, *, key: str | None, statements_sent: int
) -> None:
    headers = {"Idempotency-Key": key} if key else {}
    assert client.post("/notes/", json=NOTE, headers=headers).status_code == 201
    assert len(statements) == statements_sent


def test_the_document_has_the_field_with_its_limits(server: Server) -> None:
    document = server[0].openapi()
    operation = document["paths"]["/notes/"]["post"]
    [parameter] = operation["parameters"]
    assert (parameter["name"], parameter["in"]) == ("Idempotency-Key", "header")
    assert parameter["required"] is False
    assert (parameter["schema"]["minLength"], parameter["schema"]["maxLength"]) == (1, 512)
    longest = '"%s"' % (r"\"" * 255)
    assert re.fullmatch(parameter["schema"]["pattern"], longest)
    assert not re.fullmatch(parameter["schema"]["pattern"], longest[:-1] + 'k"')
    assert len(longest) == 512
    assert REPLAYED in operation["responses"]["201"]["headers"]
    assert json.dumps(document).count(REPLAYED) == 1
