"""Idempotency-Key where requests race, hang, or lose their answer."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import httpx
import pytest
from conftest import SAMPLE
from sending import REPLAYED, assert_first, assert_replayed, count, write
from sqlalchemy import URL, event, text

from chassis import transactions
from chassis.database import Database
from chassis_testing.fixtures import Sql
from chassis_testing.hanging import connections_at_work
from chassis_testing.problem import assert_problem
from chassis_testing.running import SECONDS, await_url
from chassis_testing.service import rendered
from chassis_testing.waiting import until

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
    settings = load_settings(sample.Settings)
    serve(sample.create_app(settings), settings)
"""


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
