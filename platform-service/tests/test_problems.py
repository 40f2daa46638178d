"""What goes wrong inside: a plain problem, no word of the cause, and well again afterwards."""

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import PASSWORD, User, settings_for
from fastapi import FastAPI
from problem import CANARY, assert_not_ready, assert_problem
from running import serving
from sqlalchemy import URL, event

from chassis_testing import postgres
from platform_service import crud
from platform_service.database import Database

Sql = Callable[[str], object]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every list of articles fails in a way that nobody foresaw."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError(CANARY)

    monkeypatch.setattr(crud, "list_articles", fail)


@pytest.mark.usefixtures("broken")
def test_an_unforeseen_error_is_500_without_its_text(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get("/articles/")
    assert_problem(answer, 500)
    assert CANARY not in answer.text
    assert "ZeroDivisionError" not in answer.text
    assert CANARY in caplog.text, "the cause belongs in the log"


@pytest.mark.usefixtures("broken")
def test_the_connection_outlives_an_unforeseen_error(client: httpx.Client) -> None:
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port or 0)
    for path, status in [("/articles/", 500), ("/articles/1", 404), ("/articles/", 500)]:
        connection.request("GET", path)
        opened = connection.sock
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, connection.sock) == (status, opened), "closed by the server"
    connection.close()


def test_a_missing_table_tells_nothing_of_itself_and_is_well_once_it_is_back(
    client: httpx.Client, ann: User, sql: Sql
) -> None:
    sql("ALTER TABLE articles RENAME TO elsewhere")
    content = {"title": CANARY, "content": "x"}
    for answer in (
        client.get("/articles/"),
        client.post("/articles/", json=content, headers=ann.headers),
    ):
        assert answer.status_code in {500, 503}
        assert_problem(answer, answer.status_code)
        assert not any(word in answer.text for word in (CANARY, "elsewhere", "INSERT", "SELECT"))
    sql("ALTER TABLE elsewhere RENAME TO articles")
    assert client.post("/articles/", json=content, headers=ann.headers).status_code == 201
    assert client.get("/articles/").status_code == 200


def take_away(database: Database, url: URL) -> None:
    """Break every connection to the database, and make new ones impossible."""
    if database.writer.dialect.name == "postgresql":
        postgres.administer(
            url.set(database="postgres"),
            "ALTER DATABASE inkwell_test WITH ALLOW_CONNECTIONS false",
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = 'inkwell_test'",
        )
    else:
        database.close_kept()
        database.writer.dispose()
        file = Path(str(url.database))
        file.rename(file.with_suffix(".away"))
        file.mkdir()


def bring_back(database: Database, url: URL) -> None:
    if database.writer.dialect.name == "postgresql":
        allowed = "ALTER DATABASE inkwell_test WITH ALLOW_CONNECTIONS true"
        postgres.administer(url.set(database="postgres"), allowed)
    else:
        file = Path(str(url.database))
        file.rmdir()
        file.with_suffix(".away").rename(file)


def test_a_database_that_is_gone_is_503_and_the_service_is_well_once_it_is_back(
    client: httpx.Client, database: Database, database_url: URL, ann: User
) -> None:
    with ThreadPoolExecutor(8) as pool:  # so that several connections are open
        assert set(pool.map(lambda _: client.get("/articles/").status_code, range(40))) == {200}
    take_away(database, database_url)
    form = {"username": ann.email, "password": PASSWORD}
    for _ in range(3):
        for answer in (
            client.get("/articles/"),
            client.get("/articles/", headers=ann.headers),
            client.post("/articles/", json={"title": "x", "content": "x"}, headers=ann.headers),
            client.post("/users/", json={"email": "eve@example.com", "password": PASSWORD}),
            client.post("/auth/token", data=form),
        ):
            assert_problem(answer, 503)
            assert answer.headers["Retry-After"] == "1"
            assert "inkwell_test" not in answer.text
    assert_not_ready(client.get("/readyz"), database="down", schema="down")
    assert client.get("/livez").status_code == 200
    assert client.get("/.well-known/jwks.json").status_code == 200
    bring_back(database, database_url)
    for _ in range(3):
        assert client.get("/articles/", headers=ann.headers).status_code == 200
        answer = client.post("/articles/", json={"title": "x", "content": "x"}, headers=ann.headers)
        assert answer.status_code == 201
    assert client.get("/readyz").status_code == 200


def test_a_restart_of_the_database_between_two_requests_is_not_noticed(
    client: httpx.Client, database: Database, database_url: URL, ann: User
) -> None:
    body = {"title": "x", "content": "x"}

    def write(_: int) -> int:
        return client.post("/articles/", json=body, headers=ann.headers).status_code

    def read(_: int) -> int:
        return client.get("/articles/", headers=ann.headers).status_code

    with ThreadPoolExecutor(8) as pool:  # so that several connections are open
        assert set(pool.map(write, range(20))) == {201}
        assert set(pool.map(read, range(40))) == {200}
        assert client.get("/readyz").status_code == 200
        take_away(database, database_url)
        bring_back(database, database_url)
        assert client.get("/readyz").status_code == 200
        assert set(pool.map(write, range(20))) == {201}
        assert set(pool.map(read, range(40))) == {200}
    assert client.get("/readyz").status_code == 200


@pytest.fixture
def hanging(
    client: httpx.Client, database: Database, ann: User, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Once Ann is there, the database takes what is sent and answers nothing, as if paused."""
    assert ann
    monkeypatch.setattr("platform_service.database.PATIENCE", 0.2)
    monkeypatch.setattr("platform_service.routers.health.CHECK_SECONDS", 0.2)
    paused = threading.Event()

    def wait(*_: object) -> None:
        paused.wait(30)

    engines = {database.writer, database.reader}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", wait)
    yield
    paused.set()
    for engine in engines:
        event.remove(engine, "before_cursor_execute", wait)
    # Until they have ended, threads may hold connections that nobody would close.
    assert any(client.get("/readyz").status_code == 200 for _ in range(100))
    for threads in (database.reader_threads, database.writer_threads):
        threads.shutdown()


@pytest.mark.usefixtures("hanging")
def test_a_database_that_hangs_is_503_in_time(client: httpx.Client, ann: User) -> None:
    body = {"title": "x", "content": "x"}
    for _ in range(3):  # the first take every thread, the others wait for one
        with ThreadPoolExecutor(6) as pool:
            answers = [pool.submit(client.get, "/articles/") for _ in range(3)]
            answers += [pool.submit(client.post, "/articles/", json=body, headers=ann.headers)]
            answers += [
                pool.submit(client.post, "/auth/token", data={"username": "x", "password": "y"})
            ]
        for answer in answers:
            assert_problem(answer.result(), 503)
        assert_not_ready(client.get("/readyz"), database="down", schema="down")
    assert client.get("/livez").status_code == 200


def test_two_hundred_clients_at_once_are_all_answered(client: httpx.Client, ann: User) -> None:
    async def ask() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(
            base_url=client.base_url, trust_env=False, timeout=60, limits=limits
        ) as many:
            asked = (many.get("/articles/", headers=ann.headers) for _ in range(200))
            return await asyncio.gather(*asked)

    assert [answer.status_code for answer in asyncio.run(ask())] == [200] * 200


def test_clients_that_hang_up_leave_the_service_well(
    database_url: URL, database: Database, ann: User, server: tuple[FastAPI, httpx.Client]
) -> None:
    assert database
    content = json.dumps({"title": "x", "content": "x"})
    headers = {"Content-Type": "application/json"}
    with serving(settings_for(database_url)) as (app, url):
        app.state.keys = server[0].state.keys
        for _ in range(100):
            connection = http.client.HTTPConnection(url.removeprefix("http://"))
            connection.request("POST", "/articles/", content, headers | ann.headers)
            connection.close()
        assert httpx.get(f"{url}/livez", timeout=2, trust_env=False).status_code == 200
        assert httpx.get(f"{url}/articles/", timeout=2, trust_env=False).status_code == 200


def test_an_answer_that_breaks_off_closes_the_connection(
    client: httpx.Client, server: tuple[FastAPI, httpx.Client]
) -> None:
    async def half(_scope: object, _receive: object, send: Callable[..., Any]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ZeroDivisionError

    server[0].mount("/half", half)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/half/")
    server[0].router.routes.pop()
    assert client.get("/articles/").status_code == 200
