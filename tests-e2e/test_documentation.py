"""The documentation of all routes."""

import re

import httpx
from openapi_spec_validator import validate
from support.contract import ROUTES


def test_the_documentation_lists_every_route_and_loads_nothing_from_elsewhere(
    api: httpx.Client,
) -> None:
    document = api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    listed = {re.sub(r"\{.*?\}", "{}", path): set(item) for path, item in document["paths"].items()}
    for route in ROUTES:
        assert route.method.lower() in listed[re.sub(r"\{.*?\}", "{}", route.path)], route
    assert "/posts" not in listed
    assert not re.search(r"""(src|href)=["'](https?:)?//""", api.get("/docs").text)
    assert "/docs" in api.get("/").text


def test_the_document_of_all_routes_is_valid_openapi(api: httpx.Client) -> None:
    validate(api.get("/openapi.json").json())
