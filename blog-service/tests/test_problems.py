"""What goes wrong inside: a plain problem, no word of the cause, and well again afterwards."""

import asyncio
import http.client
import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import BLOG
from fastapi import FastAPI
from sqlalchemy import URL, event

from blog_service import crud
from chassis.database import Database
from chassis_testing.problem import CANARY, assert_not_ready, assert_problem
from chassis_testing.running import serving

Sql = Callable[[str], object]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every list fails in a way that nobody foresaw."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError(CANARY)

    monkeypatch.setattr(crud, "list_posts", fail)


@pytest.mark.usefixtures("broken")
def test_an_unforeseen_error_is_500_without_its_text(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get("/posts/")
    assert_problem(answer, 500)
    assert CANARY not in answer.text
    assert "ZeroDivisionError" not in answer.text
    assert "ZeroDivisionError" in caplog.text, "the cause belongs in the log"


@pytest.mark.usefixtures("broken")
def test_the_connection_outlives_an_unforeseen_error(client: httpx.Client) -> None:
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port or 0)
    for path, status in [("/posts/", 500), ("/posts/1", 404), ("/posts/", 500), ("/livez", 200)]:
        connection.request("GET", path)
        opened = connection.sock
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, connection.sock) == (status, opened), "closed by the server"
    connection.close()


def test_a_missing_table_is_503_and_the_service_is_well_once_it_is_back(
    client: httpx.Client, sql: Sql
) -> None:
    sql("ALTER TABLE posts RENAME TO elsewhere")
    for answer in (client.get("/posts/"), client.post("/posts/", json={"title": CANARY})):
        assert_problem(answer, 503)
        assert answer.headers["Retry-After"] == "1"
        assert not any(word in answer.text for word in (CANARY, "posts.title", "table", "INSERT"))
    sql("ALTER TABLE elsewhere RENAME TO posts")
    assert client.post("/posts/", json={"title": "x"}).status_code == 201
    assert client.get("/posts/").status_code == 200


def test_a_file_that_is_no_database_is_503_for_readiness_while_the_process_lives(
    client: httpx.Client, tmp_path: Path
) -> None:
    for file in tmp_path.glob("test.db*"):
        file.write_bytes(b"This is no database. " * 1000)
    answer = client.get("/readyz")
    assert_not_ready(answer, database="down", schema="down")
    assert client.get("/livez").status_code == 200


@pytest.fixture
def locked(database_url: URL) -> Iterator[tuple[FastAPI, httpx.Client]]:
    """A server that waits for no lock, and whose database another process has locked."""
    settings = BLOG.settings_for(database_url)
    app = BLOG.create_app(settings)
    with (
        serving(app, settings) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        assert client.get("/readyz").status_code == 200
        event.listen(app.state.database.engine, "connect", _wait_for_no_lock)
        app.state.database.engine.dispose()
        yield app, client


def _wait_for_no_lock(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA busy_timeout = 0")


def test_a_lock_that_lasts_is_503_for_writers_alone(
    locked: tuple[FastAPI, httpx.Client],
) -> None:
    app, client = locked
    with app.state.database.engine.begin() as connection:  # BEGIN IMMEDIATE
        answer = client.post("/posts/", json={"title": "x"})
        assert_problem(answer, 503)
        assert answer.headers["Retry-After"] == "1"
        assert client.get("/posts/").json() == []
        assert client.get("/readyz").status_code == 200
        connection.rollback()
    assert client.post("/posts/", json={"title": "x"}).status_code == 201


@pytest.fixture
def hanging(
    client: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The database takes what is sent and answers nothing."""
    monkeypatch.setattr("chassis.database.PATIENCE", 0.2)
    monkeypatch.setattr("chassis.health.CHECK_SECONDS", 0.2)
    ended = threading.Event()

    def wait(*_: object) -> None:
        ended.wait(30)

    event.listen(database.engine, "before_cursor_execute", wait)
    yield
    ended.set()
    event.remove(database.engine, "before_cursor_execute", wait)
    # Until they have ended, threads may hold connections that nobody would close.
    assert any(client.get("/readyz").status_code == 200 for _ in range(100))
    for threads in database._threads:
        threads.shutdown()


@pytest.mark.usefixtures("hanging")
def test_a_database_that_hangs_is_503_in_time(client: httpx.Client) -> None:
    for _ in range(3):  # the first take every thread, the others wait for one
        assert_problem(client.get("/posts/"), 503)
        assert_problem(client.post("/posts/", json={"title": "x"}), 503)
        assert_not_ready(client.get("/readyz"), database="down", schema="down")
    assert client.get("/livez").status_code == 200


def test_two_hundred_clients_at_once_are_all_answered(client: httpx.Client) -> None:
    async def ask() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(
            base_url=client.base_url, trust_env=False, timeout=30, limits=limits
        ) as many:
            return await asyncio.gather(*(many.get("/posts/") for _ in range(400)))

    assert [answer.status_code for answer in asyncio.run(ask())] == [200] * 400


def test_clients_that_hang_up_leave_the_service_well(database_url: URL) -> None:
    content = json.dumps({"title": "x"})
    settings = BLOG.settings_for(database_url)
    with (
        serving(BLOG.create_app(settings), settings) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        for _ in range(100):
            connection = http.client.HTTPConnection(url.removeprefix("http://"))
            connection.request("POST", "/posts/", content, {"Content-Type": "application/json"})
            connection.close()
        assert client.get("/livez", timeout=2).status_code == 200
        assert client.get("/posts/", timeout=2).status_code == 200
        assert client.post("/posts/", json={"title": "x"}, timeout=5).status_code == 201


def test_an_answer_that_breaks_off_closes_the_connection(
    client: httpx.Client, server: tuple[FastAPI, httpx.Client], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "uvicorn.error")

    async def half(_scope: object, _receive: object, send: Callable[..., Any]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ZeroDivisionError

    server[0].mount("/half", half)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/half/")
    server[0].router.routes.pop()
    assert client.get("/posts/").status_code == 200
