"""The document that the gateway serves at /openapi.json."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from openapi_spec_validator import validate
from support.gateway import Start
from support.services import inkwell
from support.upstream import RawUpstream, answer_after, by_path, drip
from support.waiting import PATIENCE, eventually
from support.wire import json_reply

from gateway.pages import documents


def test_the_gateway_answers_with_one_valid_document() -> None:
    with inkwell() as system, httpx.Client(base_url=system.url) as client:
        answer = client.get("/openapi.json")
        assert answer.headers["content-type"] == "application/json"
        validate(answer.json())
        assert next(iter(answer.json()["paths"])) == "/posts/"
        assert "/auth/token" in answer.json()["paths"]
        head = client.head("/openapi.json")
        assert (head.status_code, head.content) == (200, b"")


def test_a_service_that_went_down_is_still_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_AGE", 0.0)
    with inkwell() as system, httpx.Client(base_url=system.url) as client:
        before = client.get("/openapi.json").json()
        system.platform.stop()
        after = client.get("/openapi.json").json()
        assert after["paths"] == before["paths"]
        assert "platform-service does not answer" in after["info"]["description"]
        assert "does not answer" not in before["info"]["description"]


def test_a_service_that_was_never_up_is_named_as_missing() -> None:
    with inkwell() as system, httpx.Client(base_url=system.url) as client:
        system.blog.stop()
        document = client.get("/openapi.json").json()
        validate(document)
        assert "blog-service does not answer" in document["info"]["description"]
        assert "missing" in document["info"]["description"]
        assert "/posts/" not in document["paths"]
        assert "/articles/" in document["paths"]


MISSHAPEN = [
    b"[]",
    b"{}",
    b'"x"',
    b"null",
    b'{"paths":[]}',
    b'{"paths":{"/posts/":3}}',
    b'{"paths":{"/posts/":{"get":3}}}',
    b'{"paths":{"/posts/":{"get":{"security":3}}}}',
    b'{"paths":{"/posts/":{"get":{"responses":3}}}}',
    b'{"paths":{},"components":3}',
    b'{"paths":{},"tags":3}',
    b'{"paths":{},"tags":[3]}',
    b'{"paths":{},"components":{"schemas":3}}',
    b'{"paths":{},"x":1e999}',
    b'{"paths":{},"x":"\\ud800"}',
    b"[" * 100_000,
    b"\xff",
]
GARBLED = [
    b"garbage\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Length: 8\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
]


@pytest.mark.parametrize(
    "bad", [*map(json_reply, MISSHAPEN), *GARBLED], ids=lambda bad: bad[-30:].decode("latin-1")
)
def test_a_document_that_cannot_be_merged_does_not_replace_the_last_one(
    gateway: Start,
    upstream: RawUpstream,
    bad: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(documents, "MAX_AGE", 0.0)
    running = gateway(upstream.url)
    upstream.script = by_path({b"/openapi.json": bad})
    for path in ("/openapi.json", "/"):
        assert running.get(path).status == 200
    good = json.dumps({"openapi": "3.1.0", "paths": {"/posts/": {"get": {}}}}).encode()
    upstream.script = by_path({b"/openapi.json": json_reply(good)})
    before = json.loads(running.get("/openapi.json").body)
    upstream.script = by_path({b"/openapi.json": bad})
    after = json.loads(running.get("/openapi.json").body)
    assert after["paths"] == before["paths"] != {}
    assert "does not answer" in after["info"]["description"]


def test_a_document_that_trickles_in_is_not_waited_for(
    gateway: Start, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "TIMEOUT", 1.0)
    upstream.script = drip
    running = gateway(upstream.url)
    answer = running.get("/openapi.json")
    assert "does not answer" in json.loads(answer.body)["info"]["description"]


def test_the_document_is_cached() -> None:
    with inkwell() as system, httpx.Client(base_url=system.url) as client:
        before = client.get("/openapi.json").content
        system.platform.stop()
        assert client.get("/openapi.json").content == before


def test_requests_at_once_share_one_document_also_when_the_first_client_leaves(
    gateway: Start, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "TIMEOUT", PATIENCE)
    go_on = threading.Event()
    upstream.script = answer_after(go_on)
    running = gateway(upstream.url)
    with running.connect() as first, ThreadPoolExecutor(5) as pool:
        first.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n")
        eventually(lambda: len(upstream.requests) == 2)
        others = [pool.submit(running.get, "/openapi.json") for _ in range(5)]
        eventually(lambda: len(running.connections) == 6)
        first.close()
        eventually(lambda: len(running.connections) == 5)
        go_on.set()
        assert [it.result().status for it in others] == [200] * 5
    assert len(upstream.requests) == 2  # one of each service
