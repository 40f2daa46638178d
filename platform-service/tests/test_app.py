"""The application: its routes, what each of them refuses, and what it never logs."""

import json
import socket
from typing import Any

import httpx
import pytest
from conftest import PASSWORD, PLATFORM, User, sign_in
from sqlalchemy import URL

from chassis_testing import hostile
from chassis_testing.problem import CANARY, assert_problem, assert_refused
from chassis_testing.running import finish
from chassis_testing.service import rendered

ROUTES = {
    "/users/": {"get", "post"},
    "/users/me": {"get", "patch", "delete"},
    "/users/{user_id}": {"get"},
    "/articles/": {"get", "post"},
    "/articles/{article_id}": {"get", "patch", "delete"},
    "/auth/token": {"post"},
    "/auth/revoke": {"post"},
    "/.well-known/jwks.json": {"get"},
}
USER = {"email": "eve@example.com", "password": PASSWORD}
ARTICLE = {"title": "x", "content": "x"}
CONSENT = {"current_password": PASSWORD}
CHANGE = {**CONSENT, "email": "eve@example.com"}
WRONG_TOKEN = "Authorization: Bearer x\r\n"


def test_the_document_lists_each_route_once(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {path: set(methods) for path, methods in paths.items()} == ROUTES


def test_the_service_is_ready(client: httpx.Client) -> None:
    checks = {"database": "up", "schema": "up"}
    assert client.get("/readyz").json() == {"status": "up", "checks": checks}


@pytest.mark.parametrize("path", ["/users", "/articles"])
def test_a_collection_answers_without_its_slash_too(
    client: httpx.Client, ann: User, path: str
) -> None:
    answers = [client.get(each, headers=ann.headers) for each in (path, f"{path}/")]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize("path", ["/users/me/", "/users/1/", "/auth", "/auth/token/", "/x"])
def test_nothing_is_at_any_other_path(client: httpx.Client, ann: User, path: str) -> None:
    assert_problem(client.get(path, headers=ann.headers), 404)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        *(("GET", path, None) for path in ("/users/", "/users/me", "/users/1", "/articles/")),
        *(("GET", path, None) for path in ("/articles/1", "/.well-known/jwks.json")),
        *(("POST", "/users/", USER), ("POST", "/articles/", ARTICLE)),
        *(("PATCH", "/articles/1", ARTICLE), ("DELETE", "/articles/1", None)),
        *(("PATCH", "/users/me", CHANGE), ("DELETE", "/users/me", CONSENT)),
    ],
)
def test_an_unknown_query_parameter_is_refused(
    client: httpx.Client, ann: User, method: str, path: str, body: Any
) -> None:
    for name, shown in hostile.PARAMETERS.items():
        answer = client.request(method, f"{path}?{name}=1", json=body, headers=ann.headers)
        assert_refused(answer, "query", shown)


def test_a_caller_is_refused_before_the_body_is(client: httpx.Client) -> None:
    for method, path in [
        ("POST", "/articles/"),
        ("PATCH", "/articles/1"),
        ("PATCH", "/users/me"),
        ("DELETE", "/users/me"),
    ]:
        for headers in ({}, hostile.JSON):
            answer = client.request(method, path, content=b"x", headers=headers)
            assert_problem(answer, 401)


@pytest.mark.parametrize(
    ("route", "fields"),
    [
        *(("POST /articles/", ""), ("PATCH /articles/1", "")),
        *(("POST /articles/", WRONG_TOKEN), ("PATCH /articles/1", WRONG_TOKEN)),
        *(("PATCH /users/me", ""), ("DELETE /users/me", "")),
        *(("POST /users/", WRONG_TOKEN), ("POST /auth/token", WRONG_TOKEN)),
    ],
)
def test_a_caller_is_refused_before_the_body_comes(
    client: httpx.Client, route: str, fields: str
) -> None:
    address = (client.base_url.host, client.base_url.port or 80)
    with socket.create_connection(address) as connection:
        head = f"{route} HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n{fields}\r\n"
        connection.sendall(head.encode())
        assert connection.recv(20).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_no_secret_and_no_address_is_logged(database_url: URL, tmp_path: Any) -> None:
    settings = {"PLATFORM_DATABASE_URL": rendered(database_url), "PLATFORM_DRAIN_SECONDS": "0"}
    with PLATFORM.process(tmp_path, **settings) as (running, url):
        with httpx.Client(base_url=url, trust_env=False, timeout=120) as client:
            for _ in range(2):
                client.post("/users/", json=USER)
            token = sign_in(client, USER["email"]).json()["access_token"]
            sign_in(client, USER["email"], CANARY)
            client.headers["Authorization"] = f"Bearer {token}"
            client.post("/articles/", json={"title": CANARY, "content": CANARY})
            client.get(f"/articles/?{CANARY}={CANARY}")
        running.terminate()
        _, out, err = finish(running)
    lines = [json.loads(line) for line in out.splitlines()]
    statuses = [line["status"] for line in lines if line["event"] == "request"]
    assert statuses == [201, 409, 200, 401, 201, 422]
    assert {line["service"] for line in lines} == {"platform-service"}
    secrets = [CANARY, USER["email"], PASSWORD, token, token.split(".")[2], "argon2"]
    assert not [secret for secret in secrets if secret in out]
    assert err == ""
