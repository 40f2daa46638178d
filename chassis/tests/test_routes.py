"""Routes: one request is one transaction, over before the answer leaves."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import sample
from conftest import SAMPLE
from fastapi import APIRouter
from sqlalchemy import URL, event, text
from sqlalchemy.exc import DBAPIError

from chassis.app import make_app
from chassis.database import Database
from chassis.errors import ConflictError
from chassis.routes import Route
from chassis_testing.fixtures import Server, Sql, Statements
from chassis_testing.hanging import connections_at_work, hanging
from chassis_testing.problem import assert_problem
from chassis_testing.waiting import until

INSERT = text("INSERT INTO notes (text) VALUES ('x')")
router = APIRouter(route_class=Route)


@router.post("/refused")
def write_and_raise(db: sample.Db) -> None:
    db.execute(INSERT)
    raise ConflictError("This comes too late.")


@router.post("/failed")
def write_and_fail(db: sample.Db) -> None:
    db.execute(INSERT)
    raise ZeroDivisionError


@router.post("/stale")
def change_what_is_changed_meanwhile(db: sample.Db) -> None:
    note = sample.Note(text="x")
    db.add(note)
    db.flush()
    db.execute(text("UPDATE notes SET version = version + 1"))
    note.text = "y"


@router.get("/thread")
def read_thread(db: sample.Db) -> str:
    assert not db.in_transaction(), "only a statement begins one"
    return threading.current_thread().name


@router.post("/thread")
def write_thread(db: sample.Db) -> str:
    assert db.in_transaction()
    return threading.current_thread().name


@router.get("/loop")
async def in_the_event_loop() -> str:
    return threading.current_thread().name


@pytest.fixture
def more_routes(client: httpx.Client, server: Server) -> Iterator[httpx.Client]:
    """A client of the sample with the routes above."""
    app = server[0]
    kept = list(app.router.routes)
    app.include_router(router)
    yield client
    app.router.routes[:] = kept


def test_a_transaction_is_committed_before_the_answer_leaves(database_url: URL) -> None:
    settings = SAMPLE.settings_for(database_url)
    app = sample.create_app(settings)
    order: list[str] = []

    def note_commit(_connection: object) -> None:
        order.append("commit")

    async def noted(scope: Any, receive: Any, send: Callable[[Any], Any]) -> None:
        async def send_noted(message: Any) -> None:
            order.append(message["type"])
            await send(message)

        await app(scope, receive, send_noted)

    async def ask() -> None:
        async with app.router.lifespan_context(app):
            event.listen(app.state.database.engine, "commit", note_commit)
            transport = httpx.ASGITransport(noted)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                assert (await client.post("/notes/", json={"text": "x"})).status_code == 201

    asyncio.run(ask())
    assert order == ["commit", "http.response.start", "http.response.body"]


@pytest.mark.parametrize(
    ("path", "status", "count"), [("/refused", 409, 1), ("/failed", 500, 1), ("/stale", 409, 3)]
)
def test_a_transaction_is_rolled_back_when_its_route_raises(
    more_routes: httpx.Client,
    sql: Sql,
    statements: Statements,
    *,
    path: str,
    status: int,
    count: int,
) -> None:
    assert_problem(more_routes.post(path), status)
    assert len(statements) == count, "it was written"
    assert sql("SELECT count(*) FROM notes")[0] == (0,)


def test_readers_and_writers_run_in_threads_of_their_own(more_routes: httpx.Client) -> None:
    assert more_routes.get("/thread").json().startswith("reader")
    assert more_routes.head("/thread").status_code == 200
    assert more_routes.post("/thread").json().startswith("writer")
    assert not more_routes.get("/loop").json().startswith(("reader", "writer"))


@pytest.mark.parametrize(
    ("method", "path", "status", "count"),
    [
        ("GET", "/notes/1", 200, 1),
        ("GET", "/notes/", 200, 1),
        ("GET", "/notes/?count=true", 200, 2),
        ("POST", "/notes/", 201, 1),
        ("PATCH", "/notes/1", 200, 2),
        ("DELETE", "/notes/1", 204, 2),
        ("GET", "/notes/x", 422, 0),
        ("GET", "/notes/?limit=0", 422, 0),
        ("DELETE", "/notes/1?x=1", 422, 0),
        ("GET", "/livez", 200, 0),
    ],
)
def test_a_request_sends_its_own_statements_and_none_when_it_is_refused(
    client: httpx.Client,
    sql: Sql,
    statements: Statements,
    *,
    method: str,
    path: str,
    status: int,
    count: int,
) -> None:
    sql("INSERT INTO notes (text) VALUES ('x')")
    statements.clear()
    body = {"text": "y"} if method in {"POST", "PATCH"} else None
    assert client.request(method, path, json=body).status_code == status
    assert len(statements) == count, statements


def test_a_database_that_hangs_is_503_and_no_waiting_request_writes_later(
    client: httpx.Client, database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.transactions.SILENCE", 0.2)
    with hanging(database):
        for _ in range(sample.READERS + 2):  # the first take every thread, the others wait for one
            assert_problem(client.get("/notes/"), 503)
            answer = client.post("/notes/", json={"text": "x"})
            assert_problem(answer, 503)
            assert answer.headers["Retry-After"] == "1"
        assert client.get("/livez").status_code == 200
    monkeypatch.setattr("chassis.transactions.SILENCE", 60)
    assert client.get("/notes/").status_code == 200
    assert client.post("/notes/", json={"text": "y"}).status_code == 201
    assert [row.text for row in sql("SELECT text FROM notes")] == ["y"]


def test_two_hundred_waiting_requests_hold_no_thread_and_no_connection(
    client: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.transactions.SILENCE", 100)
    threads = database._read_threads
    with ThreadPoolExecutor(1) as pool:
        with hanging(database):
            answers = pool.submit(asyncio.run, _ask_at_once(str(client.base_url), 200))
            waiting = 200 - sample.READERS
            until(lambda: threads._jobs.qsize() == waiting, "the last request's arrival")
            assert len(threads._threads) == sample.READERS
            assert connections_at_work(database) == sample.READERS
            assert client.get("/livez").status_code == 200
        assert answers.result() == [200] * 200


async def _ask_at_once(base_url: str, count: int) -> list[int]:
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(
        base_url=base_url, trust_env=False, timeout=120, limits=limits
    ) as client:
        answers = await asyncio.gather(*(client.get("/notes/") for _ in range(count)))
    return [answer.status_code for answer in answers]


def test_clients_that_hang_up_leave_the_service_well(
    client: httpx.Client, database: Database
) -> None:
    address = (client.base_url.host, client.base_url.port or 80)
    body = b'{"text": "x"}'
    head = f"POST /notes/ HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    for _ in range(100):
        with socket.create_connection(address) as connection:
            connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
    assert client.get("/livez").status_code == 200
    assert client.get("/notes/").status_code == 200
    assert client.post("/notes/", json={"text": "x"}).status_code == 201
    until(lambda: connections_at_work(database) == 0, "the last transaction's end")


def test_a_get_cannot_write(server: Server, database: Database) -> None:
    assert server
    with database.read_session() as session, pytest.raises(DBAPIError, match=r"read-?only"):
        session.execute(INSERT)
    with database.write_session() as session, session.begin():
        session.execute(INSERT)


def test_an_input_may_have_any_name_and_a_route_needs_no_session(tmp_path: Path) -> None:
    router = APIRouter(route_class=Route)

    @router.get("/x/{work}")
    def show(work: str, db: sample.Db) -> str:
        return f"{work} {db.is_active}"

    @router.get("/ping")
    def ping() -> str:
        return "pong"

    settings = sample.Settings(database_url=f"sqlite:///{tmp_path}/x.db")
    app = make_app("sample", sample.lifespan_of(settings), router)

    async def ask() -> list[str]:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            return [(await client.get(path)).json() for path in ("/x/some", "/ping")]

    assert asyncio.run(ask()) == ["some True", "pong"]
