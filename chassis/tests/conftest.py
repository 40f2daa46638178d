"""The sample service, and a way to ask routes without a socket."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sample
from fastapi import APIRouter, FastAPI

from chassis import tokens
from chassis.app import make_app
from chassis.errors import UnauthorizedError
from chassis.tokens import PublishedKeysVerifier
from chassis_testing.keys import AUDIENCE, ISSUER, KeyServer, publishing
from chassis_testing.service import Service

pytest_plugins = ["chassis_testing.fixtures"]

Write = Callable[..., dict[str, Any]]

SAMPLE = Service(
    "sample",
    Path(__file__).parent,
    "SAMPLE_",
    sample.Settings,
    sample.create_app,
    sample.make_database,
)


@pytest.fixture(scope="session")
def service() -> Service:
    return SAMPLE


@pytest.fixture
def write_note(client: httpx.Client) -> Write:
    def write(text: str = "A note") -> dict[str, Any]:
        answer = client.post("/notes/", json={"text": text})
        assert answer.status_code == 201, answer.text
        note: dict[str, Any] = answer.json()
        return note

    return write


@pytest.fixture
def ignoring() -> Iterator[Callable[[signal.Signals], None]]:
    """A function after which processes start with a signal ignored, as in the background."""
    before: dict[signal.Signals, Any] = {}

    def ignore(number: signal.Signals) -> None:
        before[number] = signal.signal(number, signal.SIG_IGN)

    yield ignore
    for number, handler in before.items():
        signal.signal(number, handler)


@asynccontextmanager
async def asking(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Start an application and yield a client that calls it without a socket."""
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield client


@asynccontextmanager
async def no_database(_app: FastAPI) -> AsyncIterator[None]:
    yield


def answer_of(router: APIRouter, method: str, path: str, **options: Any) -> httpx.Response:
    """Return the answer of an application that has these routes and no database."""

    async def ask() -> httpx.Response:
        async with asking(make_app("sample", no_database, router)) as client:
            return await client.request(method, path, **options)

    return asyncio.run(ask())


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    with publishing() as running:
        yield running


@pytest.fixture
def published(key_server: KeyServer) -> PublishedKeysVerifier:
    return PublishedKeysVerifier(ISSUER, AUDIENCE, key_server.url)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes two fetches follow each other at once."""
    monkeypatch.setattr(tokens, "FETCH_INTERVAL", 0.0)


Verify = Coroutine[Any, Any, int]


async def refusal(verifying: Verify) -> str:
    """Return the text of the error that refuses a token."""
    with pytest.raises(UnauthorizedError) as error:
        await verifying
    return str(error.value)
