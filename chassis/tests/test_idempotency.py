"""Idempotency-Key: the first answer again, and nothing more is created."""

import json
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
import sample
import sqlalchemy as sa
from conftest import SAMPLE
from fastapi import APIRouter, Response
from sqlalchemy import URL, event, text

from chassis import first_answers, transactions
from chassis.database import Database
from chassis.errors import ConflictError
from chassis.idempotency import idempotent
from chassis.routes import Route
from chassis_testing.fixtures import Server, Sql, Statements
from chassis_testing.hanging import connections_at_work
from chassis_testing.problem import assert_problem, assert_refused
from chassis_testing.running import SECONDS, await_url
from chassis_testing.service import rendered
from chassis_testing.waiting import until

NOTE = {"text": "x"}
REPLAYED = "Idempotent-Replayed"
CLAIM = text(
    "INSERT INTO idempotency_keys (caller_id, route, key, fingerprint, expires_at)"
    " VALUES (0, 'POST /notes/', 'k', 'x', '3000-01-01')"
)
# It is killed when its first transaction is committed, before the answer leaves.
MORTAL = """
import chassis.signals
import os, signal
import sample
from chassis.server import serve
from chassis.settings import load_settings
from sqlalchemy import event
from sqlalchemy.orm import Session

if __name__ == "__main__":
    event.listen(Session, "after_commit", lambda _: os.kill(os.getpid(), signal.SIGKILL))
    settings = load_settings(sample.Settings, "sample")
    serve(sample.create_app(settings), settings, "sample")
"""
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


def write(
    client: httpx.Client, key: str = "k", path: str = "/notes/", **fields: Any
) -> httpx.Response:
    return client.post(path, json={**NOTE, **fields}, headers={"Idempotency-Key": key})


def assert_first(answer: httpx.Response) -> httpx.Response:
    assert answer.status_code == 201, answer.text
    assert REPLAYED not in answer.headers
    return answer


def assert_replayed(answer: httpx.Response, first: httpx.Response) -> None:
    """Check that this is the first answer but for what is of each request."""
    own = {"date", "x-request-id", REPLAYED.lower()}
    assert answer.headers[REPLAYED] == "true"
    assert (answer.status_code, answer.content) == (first.status_code, first.content)
    kept = [(name, value) for name, value in answer.headers.items() if name not in own]
    assert kept == [(name, value) for name, value in first.headers.items() if name not in own]


def count(sql: Sql, table: str = "notes") -> int:
    number: int = sql(f"SELECT count(*) FROM {table}")[0][0]
    return number


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


def test_fifty_requests_at_once_create_one(client: httpx.Client, sql: Sql) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: write(client), range(50)))
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (201, answers[0].content)
    }
    assert sum(REPLAYED not in answer.headers for answer in answers) == 1
    assert count(sql) == 1


def test_a_request_goes_on_itself_when_the_first_is_rolled_back(
    client: httpx.Client, database: Database, sql: Sql
) -> None:
    with ThreadPoolExecutor(1) as pool, database.engine.connect() as first:
        first.execute(CLAIM)
        waiting = pool.submit(write, client)
        until(lambda: connections_at_work(database) == 2, "the wait for the first")
        first.rollback()
        assert_replayed(write(client), assert_first(waiting.result()))
    assert count(sql) == 1


def test_a_first_request_that_hangs_is_waited_for_no_longer_than_any_other(
    client: httpx.Client, database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.engine.connect() as first, monkeypatch.context() as impatient:
        impatient.setattr(transactions, "SILENCE", 0.2)
        first.execute(CLAIM)
        assert_problem(write(client), 503)
        first.rollback()
    until(lambda: connections_at_work(database) == 0, "the end of the wait")
    assert count(sql) == 0
    assert_first(write(client))


def test_an_answer_in_doubt_becomes_certain_by_sending_the_request_again(
    client: httpx.Client, database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Event()

    def wait(_connection: object) -> None:
        ended.wait()

    event.listen(database.engine, "commit", wait)
    try:
        with monkeypatch.context() as impatient:
            impatient.setattr(transactions, "SILENCE", 0.2)
            assert_problem(write(client), 504)
    finally:
        ended.set()
        until(lambda: connections_at_work(database) == 0, "the end of the commit")
        event.remove(database.engine, "commit", wait)
    answer = write(client)
    assert (answer.status_code, answer.headers[REPLAYED]) == (201, "true")
    assert count(sql) == 1


def test_a_service_that_is_killed_after_the_commit_gives_the_answer_when_it_is_back(
    database_url: URL, tmp_path: Path
) -> None:
    (tmp_path / "mortal.py").write_text(MORTAL)
    variables = {"SAMPLE_DATABASE_URL": rendered(database_url)}
    with SAMPLE.start(tmp_path, "mortal", **variables) as process:
        with (
            httpx.Client(base_url=await_url(process), trust_env=False) as client,
            pytest.raises(httpx.HTTPError),
        ):
            write(client)
        assert process.wait(SECONDS) == -signal.SIGKILL
    with (
        SAMPLE.process(tmp_path, **variables) as (_, url),
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        answer = write(client)
        assert (answer.status_code, answer.headers[REPLAYED]) == (201, "true")
        assert [answer.json()] == client.get("/notes/").json()


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
