"""The application under a server that is not the gateway's own."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from support.gateway import routes_file
from support.services import served
from support.upstream import RawUpstream, hang
from support.waiting import PATIENCE
from support.wire import OK

from gateway.config import Settings
from gateway.main import create_app


@contextmanager
def gateway_at(upstream: RawUpstream, folder: Path, **deadlines: float) -> Iterator[httpx.Client]:
    routes = routes_file(folder, upstream.url, upstream.url, defaults=deadlines)
    app = create_app(Settings(routes_file=routes, rate_limit="off"))
    with served(app) as server, httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def client(tmp_path: Path, upstream: RawUpstream) -> Iterator[httpx.Client]:
    with gateway_at(upstream, tmp_path) as client:
        yield client


def test_it_proxies_requests_of_any_kind(client: httpx.Client, upstream: RawUpstream) -> None:
    upstream.reply = OK
    assert client.get("/posts?a=%2F").text == "ok"
    assert client.post("/users", content=b"small").text == "ok"
    assert client.post("/users", content=iter([b"x" * 100_000] * 3)).text == "ok"
    lines = [request.split(b"\r\n")[0] for request in upstream.requests]
    assert lines == [b"GET /posts?a=%2F HTTP/1.1", *[b"POST /users HTTP/1.1"] * 2]


def test_it_shows_pages_and_answers_with_problems(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "up"}
    assert client.get("/docs").status_code == 200
    answer = client.get("/nothing")
    assert (answer.status_code, answer.json()["instance"]) == (404, "/nothing")
    assert len(answer.headers.get_list("x-request-id")) == 1


def test_it_enforces_the_deadlines_of_upstreams(tmp_path: Path, upstream: RawUpstream) -> None:
    upstream.script = hang
    with gateway_at(upstream, tmp_path, first_byte_timeout=0.3) as client:
        assert client.get("/posts").status_code == 504


def test_it_says_that_clients_are_not_limited(
    tmp_path: Path, upstream: RawUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    routes = routes_file(tmp_path, upstream.url, upstream.url)
    with caplog.at_level(logging.WARNING), served(create_app(Settings(routes_file=routes))):
        pass
    warnings = [record.message for record in caplog.records if record.name == "gateway.main"]
    assert len(warnings) == 1
    assert "does not limit" in warnings[0]
