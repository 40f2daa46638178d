"""The services' documents become one: OpenAPI 3.1."""

import json
from typing import Any

import pytest
from openapi_spec_validator import validate
from support.services import blog_service, platform_service

from gateway.pages.merging import merge
from gateway.routes import Route

Document = dict[str, Any]

ROUTES = [
    Route(prefix="/posts", upstream="blog"),
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


def test_a_path_without_a_route_is_left_out() -> None:
    paths = {"/posts/": {"get": OK}, "/livez": {"get": OK}, "/postsX": {"get": OK}}
    document = merged(service(paths), service({"/posts/": {"get": OK}, "/": {"get": OK}}))
    assert list(document["paths"]) == ["/posts/"]


def test_the_longest_prefix_decides_which_service_describes_a_path() -> None:
    mine, other = ({**OK, "summary": name} for name in ("blog", "platform"))
    both = "/posts/archive/now"
    document = merged(service({both: {"get": mine}}), service({both: {"get": other}}))
    assert document["paths"][both]["get"]["summary"] == "platform"


def test_components_of_the_same_name_get_their_services_name() -> None:
    document = merged(
        service({"/posts/": getting(ref("Page"))}, Page={"type": "object", "title": "Posts"}),
        service({"/articles/": getting(ref("Page"))}, Page={"type": "array", "items": {}}),
    )
    assert schema_of(document, "/posts/") == "blog.Page"
    assert schema_of(document, "/articles/") == "platform.Page"
    assert document["components"]["schemas"]["blog.Page"]["title"] == "Posts"
    assert document["components"]["schemas"]["platform.Page"]["type"] == "array"


def test_components_that_are_alike_are_shared() -> None:
    page = {"type": "object", "title": "Page"}
    document = merged(
        service({"/posts/": getting(ref("Page"))}, Page=page),
        service({"/articles/": getting(ref("Page"))}, Page=page),
    )
    assert schema_of(document, "/posts/") == schema_of(document, "/articles/") == "Page"


def test_components_that_only_differ_in_what_they_use_are_not_alike() -> None:
    page = {"type": "array", "items": ref("Item")}
    document = merged(
        service({"/posts/": getting(ref("Page"))}, Page=page, Item={"type": "string"}),
        service({"/articles/": getting(ref("Page"))}, Page=page, Item={"type": "null"}),
    )
    for service_name, path in (("blog", "/posts/"), ("platform", "/articles/")):
        assert schema_of(document, path) == f"{service_name}.Page"
        items = document["components"]["schemas"][f"{service_name}.Page"]["items"]
        assert items == ref(f"{service_name}.Item")


def test_a_name_in_two_sections_stands_for_two_things() -> None:
    blog = service({"/posts/": getting(ref("Page"))}, Page={"type": "object"})
    blog["components"]["responses"] = {"Page": {"description": "A page"}}
    document = merged(blog, service({}, Page={"type": "array", "items": {}}))
    assert schema_of(document, "/posts/") == "blog.Page"
    assert document["components"]["responses"]["Page"] == {"description": "A page"}


def test_every_tag_is_described_once() -> None:
    blog, platform = service({}), service({})
    blog["tags"] = [{"name": "both", "description": "First"}, {"name": "posts"}]
    platform["tags"] = [{"name": "both", "description": "Second"}]
    assert merged(blog, platform)["tags"] == blog["tags"]


def test_a_services_own_problem_schema_stands_beside_the_gateways() -> None:
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


def test_merging_leaves_its_input_unchanged() -> None:
    blog = service({"/posts/": {"post": {**OK, "operationId": "x"}}}, Page={"type": "object"})
    before = json.dumps(blog)
    merged(blog, service({}, Page={"type": "array"}))
    assert json.dumps(blog) == before


@pytest.fixture
def document() -> Document:
    services = {"blog": blog_service(), "platform": platform_service()}
    routes = [*ROUTES, Route(prefix="/auth", upstream="platform")]
    document = merge({name: app.openapi() for name, app in services.items()}, routes)
    validate(document)
    return document


def test_one_sign_in_serves_every_service(document: Document) -> None:
    flow = document["components"]["securitySchemes"].pop("signed-in")["flows"]["password"]
    assert flow == {"tokenUrl": "/auth/token", "refreshUrl": "/auth/token", "scopes": {}}
    assert document["components"]["securitySchemes"] == {}
    assert document["servers"] == [{"url": "/"}]


@pytest.mark.parametrize(
    ("path", "method", "security"),
    [
        ("/posts/", "get", []),
        ("/posts/", "post", [{"signed-in": []}]),
        ("/articles/", "get", [{}, {"signed-in": []}]),
        ("/articles/", "post", [{"signed-in": []}]),
        ("/auth/token", "post", []),
    ],
)
def test_operations_say_whether_they_need_or_take_a_token(
    document: Document, path: str, method: str, security: list[Document]
) -> None:
    assert document["paths"][path][method]["security"] == security


def test_the_gateways_own_errors_are_problems(document: Document) -> None:
    for item in document["paths"].values():
        for operation in item.values():
            for status in ("429", "502", "503", "504", "default"):
                name = operation["responses"][status]["$ref"].rpartition("/")[2]
                [kind] = document["components"]["responses"][name]["content"]
                assert kind == "application/problem+json"


def test_an_operation_without_responses_is_described() -> None:
    """OpenAPI 3.1, section 4.8.10: responses are not required."""
    document = merged(service({"/posts/": {"get": {}}}), service({}))
    assert document["paths"]["/posts/"]["get"]["responses"].keys() == {
        *("429", "502", "503", "504", "default"),
    }
