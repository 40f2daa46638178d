"""Bodies in memory: a large one waits for its room, and a long document is known unread."""

import asyncio
import json
import random
import socket
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack

import httpx
import pytest
from conftest import answer_of
from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException

from chassis import bodies
from chassis.bodies import BODY_LIMIT, ROOM, SMALL, Room, has_too_many_values
from chassis.errors import UnauthorizedError
from chassis.routes import Route, before_body
from chassis.schemas import MAX_VALUES, Input
from chassis_testing.fixtures import Server, only
from chassis_testing.hostile import JSON
from chassis_testing.problem import assert_problem
from chassis_testing.waiting import until

pytestmark = only("sqlite")  # no body that waits reaches the database

TEXTS = ["", ",", '"', "\\", '\\"', "\\\\", "[{", "}],", "a", "é", "\U0001f600", '",', ",\\"]
NOTE = {"text": "y" * 90_000}


@pytest.mark.parametrize("values", [MAX_VALUES - 10, MAX_VALUES + 10])
@pytest.mark.parametrize("is_ascii", [True, False])
def test_values_are_counted_outside_of_texts(values: int, *, is_ascii: bool) -> None:
    choose = random.Random(values)
    for _ in range(50):
        texts = ["".join(choose.choices(TEXTS, k=20)) for _ in range(values)]
        for document in (texts, {f"{text}{number}": text for number, text in enumerate(texts)}):
            sent = json.dumps(document, ensure_ascii=is_ascii).encode()
            assert has_too_many_values(sent) == (values > MAX_VALUES)


@pytest.mark.parametrize(
    "text", [",[{" * 33_000, '\\",[' * 25_000, "\U0001f600" * 100_000], ids=ascii
)
@pytest.mark.parametrize("is_ascii", [True, False])
def test_a_long_text_may_hold_anything(client: httpx.Client, text: str, *, is_ascii: bool) -> None:
    content = json.dumps({"text": text}, ensure_ascii=is_ascii).encode()
    answer = client.post("/notes/", content=content, headers=JSON)
    assert answer.json()["text"] == text


# Who is calling is judged first.


@before_body
async def judge(request: Request) -> str:
    request.scope["judged"] = request.scope.get("judged", 0) + 1
    if "authorization" not in request.headers:
        raise UnauthorizedError("Sign in.")
    return request.headers["authorization"]


async def name(caller: str = Depends(judge)) -> str:
    return caller


class Anything(Input):
    text: str


router = APIRouter(route_class=Route)


@router.post("/private")
async def write(
    body: Anything, request: Request, who: str = Depends(name), again: str = Depends(judge)
) -> list[str | int]:
    return [body.text, who, again, request.scope["judged"]]


def test_a_caller_is_judged_once() -> None:
    headers = {"Authorization": "ann"}
    answer = answer_of(router, "POST", "/private", json={"text": "x"}, headers=headers)
    assert answer.json() == ["x", "ann", "ann", 1]


def test_a_caller_is_refused_before_a_byte_of_the_body_is_read() -> None:
    read = []

    async def parts() -> AsyncIterator[bytes]:
        read.append("a part")
        yield b'{"text": "x"}'

    assert_problem(answer_of(router, "POST", "/private", content=parts()), 401)
    assert read == []


@pytest.mark.parametrize("target", ["/notes/77", "/notes/", "/notes/?x=1"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_a_client_that_leaves_within_its_body_is_no_error_of_ours(
    client: httpx.Client, server: Server, monkeypatch: pytest.MonkeyPatch, method: str, target: str
) -> None:
    statuses: list[int] = []
    log = server[0].state.access_log
    monkeypatch.setattr(log, "write", lambda **line: statuses.append(line["status"]))
    with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as sending:
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123"
        sending.sendall(head.encode())
    until(lambda: bool(statuses), "the end of the request")
    assert statuses[0] < 500


# Room.


@pytest.fixture
def small_room(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """Room for two of the largest bodies of one client."""
    state = server[0].state
    unused, state.room = state.room, Room(4 * BODY_LIMIT)
    monkeypatch.setattr(bodies, "PATIENCE", 0.2)
    yield state.room
    until(lambda: state.room._shares.free == 4 * BODY_LIMIT, "the end of the last body")
    state.room = unused


def begin(client: httpx.Client, length: int) -> socket.socket:
    """Send a part of a body, for which there must be room, and leave the rest out."""
    sending = socket.create_connection((client.base_url.host, client.base_url.port or 80))
    head = f"POST /notes/ HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
    sending.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + b" " * 2 * SMALL)
    return sending


def test_a_large_body_without_room_is_503_and_a_small_one_is_taken(
    client: httpx.Client, small_room: Room
) -> None:
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(begin(client, BODY_LIMIT))
        until(lambda: small_room._shares.free == 2 * BODY_LIMIT, "the second body's arrival")
        answer = client.post("/notes/", json=NOTE)
        assert_problem(answer, 503)
        assert answer.headers["Retry-After"] == "1"
        assert client.post("/notes/", json={"text": "x" * 60_000}).status_code == 201
        assert client.get("/notes/").status_code == 200
    until(lambda: small_room._shares.free > 2 * BODY_LIMIT, "the end of the bodies that broke off")
    assert client.post("/notes/", json=NOTE).status_code == 201


def test_a_large_body_waits_for_room(
    client: httpx.Client, small_room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 100)
    with ThreadPoolExecutor(1) as pool:
        with begin(client, BODY_LIMIT), begin(client, BODY_LIMIT):
            until(lambda: small_room._shares.free == 2 * BODY_LIMIT, "the second body's arrival")
            answer = pool.submit(client.post, "/notes/", json=NOTE)
            until(lambda: len(small_room._freed._waiters) == 1, "the third body's arrival")
        assert answer.result().status_code == 201


async def enter(room: Room, client: str, stack: AsyncExitStack) -> None:
    address = {"client": (client, 1), "fastapi_middleware_astack": stack}
    await room.wait_for_bytes(Request({"type": "http", "headers": [], **address}))


def test_bodies_of_one_client_leave_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.05)

    async def fill() -> Room:
        room = Room(8 * BODY_LIMIT)
        async with AsyncExitStack() as stack:
            for client, count in [("192.0.2.1", 4), ("2001:db8::", 2), ("192.0.2.2", 1)]:
                for number in range(count):  # addresses of one /64 are one client
                    await enter(room, client + f"{number}" * (":" in client), stack)
                with pytest.raises(HTTPException, match="503"):
                    await enter(room, client + "f" * (":" in client), stack)
        return room

    room = asyncio.run(fill())
    assert (room._shares.free, room._shares.held) == (8 * BODY_LIMIT, {})


def test_a_large_document_without_a_place_is_503(client: httpx.Client, small_room: Room) -> None:
    small_room._places = asyncio.Semaphore(0)
    answer = client.post("/notes/", json=NOTE)
    assert_problem(answer, 503)
    assert answer.headers["Retry-After"] == "1"


def test_large_documents_leave_the_event_loop_to_others() -> None:
    began: list[float] = []

    def parse() -> None:
        began.append(time.monotonic())
        time.sleep(0.05)

    async def parse_two() -> None:
        room = Room()
        async with AsyncExitStack() as stack:
            request = Request({"type": "http", "fastapi_middleware_astack": stack})
            await room.parse(request, parse)
            await room.parse(request, parse)

    asyncio.run(parse_two())
    assert began[1] - began[0] >= 0.05 * (1 + bodies.REST)


def test_a_body_whose_length_is_beyond_the_limit_is_413_before_it_comes(
    client: httpx.Client,
) -> None:
    with begin(client, BODY_LIMIT + 1) as sending:
        assert sending.recv(20).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("content", [b"[" + b" " * SMALL, b'{"text": "\xff"}' + b" " * SMALL])
def test_every_large_body_leaves_its_room(
    client: httpx.Client, server: Server, content: bytes
) -> None:
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(
            lambda _: client.post("/notes/", content=content, headers=JSON), range(16)
        ):
            assert_problem(answer, 400)
    room = server[0].state.room
    until(lambda: room._shares.free == ROOM, "the end of the last request")
    assert room._places._value == bodies.READ_AT_ONCE
