"""The caller: which routes need a token, what comes before what, and the OpenAPI document."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
import sample
import sqlalchemy as sa
from conftest import asking, no_database
from fastapi import APIRouter, FastAPI
from sqlalchemy.orm import Session

from chassis.app import make_app
from chassis.callers import SIGN_IN_IS_OPTIONAL, CallerId, SignedInId, WriterId
from chassis.errors import UnauthorizedError
from chassis.routes import Route
from chassis.schemas import Input
from chassis_testing.hostile import MEBIBYTE
from chassis_testing.keys import SigningKey
from chassis_testing.problem import CANARY, assert_problem

KEY = SigningKey()
ANN = KEY.bearer(7)


class Fields(Input):
    text: str


router = APIRouter(route_class=Route)


@router.get("/public", openapi_extra=SIGN_IN_IS_OPTIONAL)
async def read_publicly(caller_id: CallerId) -> int | None:
    return caller_id


@router.post("/public", openapi_extra=SIGN_IN_IS_OPTIONAL)
async def write_publicly(caller_id: CallerId, _body: Fields) -> int | None:
    return caller_id


@router.get("/private")
async def read_privately(caller_id: SignedInId) -> int:
    return caller_id


@router.post("/private")
async def write_privately(caller_id: SignedInId, _body: Fields) -> int:
    return caller_id


@router.post("/writer")
async def write(caller_id: WriterId, _body: Fields) -> int | None:
    return caller_id


def app_that_knows_callers(*, knows: bool) -> FastAPI:
    app = make_app("sample", no_database, router)
    app.state.token_verifier = KEY.verifier if knows else None
    return app


def ask(method: str, path: str, *, knows: bool = True, **options: Any) -> httpx.Response:
    async def answer() -> httpx.Response:
        async with asking(app_that_knows_callers(knows=knows)) as client:
            return await client.request(method, path, **options)

    return asyncio.run(answer())


BODY = {"text": "x"}
ROUTES = [
    *(("GET", "/public", None), ("POST", "/public", BODY), ("GET", "/private", None)),
    *(("POST", "/private", BODY), ("POST", "/writer", BODY)),
]
NEEDS_TOKEN = [route for route in ROUTES if route[1] != "/public"]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER ", "Bearer  "])
def test_a_token_names_the_caller_of_each_route(
    method: str, path: str, body: Any, scheme: str
) -> None:
    authorization = {"Authorization": f"{scheme} {KEY.token(sub='7')}"}
    answer = ask(method, path, json=body, headers=authorization)
    assert (answer.status_code, answer.json()) == (200, 7)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "Bearer", "Bearer ", "Basic YW5uOnB3", f"Token {KEY.token()}", KEY.token()),
        *(f"Bearer {CANARY}", f"Bearer {KEY.token(exp=1)}", "Bearer \xff.\xfe.\xe9"),
        *(f"Bearer {KEY.token()},", f"Bearer {KEY.token()} x"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_token_that_is_sent_must_be_valid_on_each_route(
    method: str, path: str, body: Any, value: str
) -> None:
    fields = [(b"Authorization", value.encode("latin-1"))]
    answer = ask(method, path, json=body, headers=fields)
    assert_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("second", [ANN["Authorization"], "Basic x", ""])
def test_a_request_with_two_tokens_is_refused(second: str) -> None:
    fields = [("Authorization", ANN["Authorization"]), ("Authorization", second)]
    for method, path, body in ROUTES:
        assert_problem(ask(method, path, json=body, headers=fields), 401)
        assert_problem(ask(method, path, json=body, headers=fields[::-1]), 401)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_without_a_token_only_public_routes_answer(method: str, path: str, body: Any) -> None:
    answer = ask(method, path, json=body)
    if path == "/public":
        assert (answer.status_code, answer.json()) == (200, None)
    else:
        assert_problem(answer, 401)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        *((b"{", "application/json"), (b"{}", "application/json"), (b"{}", "text/plain")),
        *((b"\xff", "application/json"), (b"x" * 3 * MEBIBYTE, "application/json"), (b"", "x/y")),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("path", ["/private", "/writer", "/public", "/private?x=1"])
def test_the_token_is_judged_before_the_request(path: str, content: bytes, media_type: str) -> None:
    fields = {"Content-Type": media_type, "Authorization": f"Bearer {CANARY}"}
    assert_problem(ask("POST", path, content=content, headers=fields), 401)
    good = fields | ANN
    assert ask("POST", path, content=content, headers=good).status_code in {400, 413, 415, 422}


def test_a_service_that_knows_no_callers_is_open() -> None:
    for headers in ({}, {"Authorization": f"Bearer {CANARY}"}):
        for path in ("/writer", "/public"):
            answer = ask("POST", path, knows=False, json=BODY, headers=headers)
            assert (answer.status_code, answer.json()) == (200, None)
        assert_problem(ask("POST", "/private", knows=False, json=BODY, headers=headers), 401)


def test_the_document_says_which_routes_need_a_token() -> None:
    document = app_that_knows_callers(knows=True).openapi()
    needed: list[dict[str, list[str]]] = [{"OAuth2PasswordBearer": []}]
    for method, path, _ in ROUTES:
        operation = document["paths"][path][method.lower()]
        assert operation["security"] == ([{}, *needed] if path == "/public" else needed)
        assert "401" in operation["responses"]
    [scheme] = document["components"]["securitySchemes"].values()
    flow = scheme["flows"]["password"]
    assert (flow["tokenUrl"], flow["refreshUrl"]) == ("/auth/token", "/auth/token")


def test_the_document_of_an_open_service_has_no_sign_in() -> None:
    document = app_that_knows_callers(knows=False).openapi()
    assert "securitySchemes" not in document["components"]
    for method, path, _ in ROUTES:
        operation = document["paths"][path][method.lower()]
        assert "security" not in operation
        assert "401" not in operation["responses"]


def refuse_ann(db: Session, caller_id: int) -> None:
    assert db.scalar(sa.select(1)) == 1
    if caller_id == 7:
        raise UnauthorizedError("The caller is not known any more.")


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        *((b"{", "application/json", 400), (b"{}", "application/json", 422)),
        (b"{}", "text/plain", 415),
    ],
    ids=str,
)
def test_a_caller_whom_the_service_refuses_is_refused_before_an_invalid_request(
    tmp_path: Path, content: bytes, media_type: str, status: int
) -> None:
    settings = sample.Settings(database_url=f"sqlite:///{tmp_path}/sample.db")
    lifespan = sample.lifespan_of(settings)
    app = make_app("sample", lifespan, router, look_up_caller=refuse_ann)

    async def story() -> None:
        async with asking(app) as client:
            app.state.token_verifier = KEY.verifier
            for path in ("/private", "/writer", "/public"):
                for headers, expected in ((ANN, 401), (KEY.bearer(8), status)):
                    fields = {"Content-Type": media_type, **headers}
                    answer = await client.post(path, content=content, headers=fields)
                    assert_problem(answer, expected)

    asyncio.run(story())
