import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from conftest import RawUpstream, Running, by_path, drip, json_reply
from fake_services import SigningKey, blog_service, inkwell, platform_service
from openapi_spec_validator import validate

from gateway import services
from gateway.config import Route
from gateway.services import merge

Document = dict[str, Any]

ROUTES = [
    Route(prefix="/posts", upstream="blog", writes="signed-in"),
    Route(prefix="/posts/archive", upstream="platform"),
    Route(prefix="/articles", upstream="platform"),
]
OK: Document = {"responses": {"200": {"description": "Well"}}}


def service(paths: Document, **schemas: Any) -> Document:
    return {
        "openapi": "3.1.0",
        "info": {"title": "A service", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def getting(schema: Document) -> Document:
    content = {"application/json": {"schema": schema}}
    return {"get": {"responses": {"200": {"description": "Well", "content": content}}}}


def merged(blog: Document, platform: Document) -> Document:
    document = merge({"blog": blog, "platform": platform}, ROUTES)
    validate(document)
    return document


def schema_of(document: Document, path: str) -> str:
    content = document["paths"][path]["get"]["responses"]["200"]["content"]
    name: str = content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    return name


def test_nothing_to_merge_is_a_valid_document() -> None:
    document = merge({}, ROUTES)
    validate(document)
    assert document["paths"] == {}


def test_what_no_route_leads_to_is_left_out() -> None:
    paths = {"/posts/": {"get": OK}, "/livez": {"get": OK}, "/postsX": {"get": OK}}
    document = merged(service(paths), service({"/posts/": {"get": OK}, "/": {"get": OK}}))
    assert list(document["paths"]) == ["/posts/"]


def test_the_longest_prefix_decides_whose_path_is_shown() -> None:
    mine, other = ({**OK, "summary": name} for name in ("blog", "platform"))
    both = "/posts/archive/now"
    document = merged(service({both: {"get": mine}}), service({both: {"get": other}}))
    assert document["paths"][both]["get"]["summary"] == "platform"


def test_components_of_one_name_get_their_services_name() -> None:
    document = merged(
        service({"/posts/": getting(ref("Page"))}, Page={"type": "object", "title": "Posts"}),
        service({"/articles/": getting(ref("Page"))}, Page={"type": "array", "items": {}}),
    )
    assert schema_of(document, "/posts/") == "blog.Page"
    assert schema_of(document, "/articles/") == "platform.Page"
    assert document["components"]["schemas"]["blog.Page"]["title"] == "Posts"
    assert document["components"]["schemas"]["platform.Page"]["type"] == "array"


def test_a_services_problem_that_differs_stands_beside_the_gateways() -> None:
    document = merged(
        service({"/posts/": getting(ref("Problem"))}, Problem={"type": "object"}), service({})
    )
    assert schema_of(document, "/posts/") == "blog.Problem"
    assert document["components"]["schemas"]["Problem"]["title"] == "Problem"


def test_operation_ids_are_unique() -> None:
    named: Document = {**OK, "operationId": "list"}
    document = merged(
        service({"/posts/": {"get": named}, "/posts/new": {"get": OK}}),
        service({"/articles/": {"get": named}}),
    )
    ids = [item["get"].get("operationId") for item in document["paths"].values()]
    assert ids == ["blog.list", None, "platform.list"]


def test_merging_changes_none_of_its_input() -> None:
    blog = service({"/posts/": {"post": {**OK, "operationId": "x"}}}, Page={"type": "object"})
    before = json.dumps(blog)
    merged(blog, service({}, Page={"type": "array"}))
    assert json.dumps(blog) == before


@pytest.fixture
def document() -> Document:
    services = {"blog": blog_service(), "platform": platform_service(SigningKey())}
    routes = [*ROUTES, Route(prefix="/auth", upstream="platform")]
    document = merge({name: app.openapi() for name, app in services.items()}, routes)
    validate(document)
    return document


def test_one_sign_in_serves_every_service(document: Document) -> None:
    flow = document["components"]["securitySchemes"].pop("signed-in")["flows"]["password"]
    assert flow == {"tokenUrl": "/auth/token", "scopes": {}}
    assert document["components"]["securitySchemes"] == {}
    assert document["servers"] == [{"url": "/"}]


@pytest.mark.parametrize(
    ("path", "method", "secured"),
    [
        ("/posts/", "get", False),
        ("/posts/", "post", True),
        ("/articles/", "get", False),
        ("/articles/", "post", True),
        ("/auth/token", "post", False),
    ],
)
def test_operations_that_need_a_token_say_so(
    document: Document, path: str, method: str, *, secured: bool
) -> None:
    operation = document["paths"][path][method]
    assert operation["security"] == ([{"signed-in": []}] if secured else [])


def test_errors_are_problems(document: Document) -> None:
    for item in document["paths"].values():
        for operation in item.values():
            assert operation["responses"]["4XX"] == operation["responses"]["5XX"]
            assert operation["responses"]["4XX"]["$ref"] == "#/components/responses/Problem"
    kinds = document["components"]["responses"]["Problem"]["content"].keys()
    assert kinds == {"application/problem+json"}


def test_the_gateway_answers_with_one_valid_document() -> None:
    with inkwell() as system, httpx.Client(base_url=system.url) as client:
        answer = client.get("/openapi.json")
        assert answer.headers["content-type"] == "application/json"
        validate(answer.json())
        assert next(iter(answer.json()["paths"])) == "/posts/"
        assert "/auth/token" in answer.json()["paths"]
        head = client.head("/openapi.json")
        assert (head.status_code, head.content) == (200, b"")


def test_a_service_that_is_down_is_still_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "DOCUMENT_MAX_AGE", 0.0)
    with inkwell() as system, httpx.Client(base_url=system.url) as client:
        before = client.get("/openapi.json").json()
        system.platform.stop()
        after = client.get("/openapi.json").json()
        assert after["paths"] == before["paths"]
        assert "platform-service does not answer" in after["info"]["description"]
        assert "does not answer" not in before["info"]["description"]


def test_a_service_that_was_never_up_is_said_to_be_missing() -> None:
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
def test_a_document_that_cannot_be_merged_leaves_the_last_one(
    gateway: Callable[..., Running],
    upstream: RawUpstream,
    bad: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(services, "DOCUMENT_MAX_AGE", 0.0)
    running = gateway(upstream.url)
    upstream.script = by_path({b"/openapi.json": bad})
    for path in ("/openapi.json", "/"):
        assert running.get(path).status == 200
    good = json.dumps(service({"/posts/": {"get": OK}})).encode()
    upstream.script = by_path({b"/openapi.json": json_reply(good)})
    before = json.loads(running.get("/openapi.json").body)
    upstream.script = by_path({b"/openapi.json": bad})
    after = json.loads(running.get("/openapi.json").body)
    assert after["paths"] == before["paths"] != {}
    assert "does not answer" in after["info"]["description"]


def test_an_operation_without_responses_is_described() -> None:
    """OpenAPI 3.1, section 4.8.10: they are not required."""
    document = merged(service({"/posts/": {"get": {}}}), service({}))
    assert document["paths"]["/posts/"]["get"]["responses"].keys() == {"4XX", "5XX"}


def test_a_document_that_drips_is_not_waited_for(
    gateway: Callable[..., Running], upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "TIMEOUT", 0.3)
    upstream.script = drip
    running = gateway(upstream.url)
    began = time.monotonic()
    answer = running.get("/openapi.json")
    assert "does not answer" in json.loads(answer.body)["info"]["description"]
    assert time.monotonic() - began < 3


def test_the_document_is_kept_for_a_while() -> None:
    with inkwell() as system, httpx.Client(base_url=system.url) as client:
        before = client.get("/openapi.json").content
        system.platform.stop()
        assert client.get("/openapi.json").content == before
