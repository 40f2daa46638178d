"""Signing in: the form, the token, and answers that tell nothing of an account."""

import asyncio
import os
import time
import unicodedata
from collections.abc import Awaitable, Callable

import httpx
import pytest
from conftest import PASSWORD, User, sign_in

from chassis.affinity import shared_processor
from chassis.database import Database
from chassis_testing.fixtures import Sql
from chassis_testing.hanging import hanging
from chassis_testing.hostile import FORM, JSON, MEBIBYTE
from chassis_testing.problem import CANARY, assert_problem, assert_refused
from chassis_testing.waiting import come_true
from platform_service import passwords
from platform_service.passwords import hash_password, verify_password


@pytest.mark.parametrize("email", ["ann@example.com", "ANN@EXAMPLE.COM"])
def test_signing_in_gives_a_token_that_works(client: httpx.Client, ann: User, email: str) -> None:
    answer = sign_in(client, email)
    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == [
        *("access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in")
    ]
    assert (body["token_type"], body["expires_in"]) == ("bearer", 900)
    assert answer.headers["Cache-Control"] == "no-store"
    headers = {"Authorization": f"bearer {body['access_token']}"}
    assert client.get("/users/me", headers=headers).json()["id"] == ann.id


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ann@example.com", "wrong password"),
        ("Ann <ann@example.com>", PASSWORD),
        ("eve@example.com", PASSWORD),
        ("", ""),
        ("x", "y"),
    ],
)
def test_a_wrong_email_and_a_wrong_password_look_alike(
    client: httpx.Client, ann: User, email: str, password: str
) -> None:
    assert ann
    answer = sign_in(client, email, password) if email else sign_in(client, " ", " ")
    problem = assert_problem(answer, 401, "error")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert problem["detail"] == "The e-mail or the password is wrong."
    assert problem["error"] == "invalid_grant"


def test_an_unknown_email_takes_as_long_as_a_wrong_password(
    client: httpx.Client, ann: User
) -> None:
    def seconds(email: str) -> float:
        started = time.perf_counter()
        sign_in(client, email, "wrong password")
        return time.perf_counter() - started

    known = min(seconds(ann.email) for _ in range(3))
    unknown = min(seconds("eve@example.com") for _ in range(3))
    assert unknown > known / 3, "without a hash it takes a tenth"


def test_an_inactive_user_cannot_sign_in_and_their_token_stops_at_once(
    client: httpx.Client, ann: User, sql: Sql
) -> None:
    assert client.get("/users/me", headers=ann.headers).status_code == 200
    sql("UPDATE users SET is_active = false")
    wrong, right = sign_in(client, ann.email, "wrong"), sign_in(client, ann.email)
    assert_problem(right, 401, "error")
    assert wrong.json()["detail"] == right.json()["detail"]
    assert_problem(client.get("/users/me", headers=ann.headers), 401)
    assert_problem(client.get("/articles/", headers=ann.headers), 401)
    sql("UPDATE users SET is_active = true")
    assert client.get("/users/me", headers=ann.headers).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "content", "media_type"),
    [
        ("POST", "/articles/", b"{", "application/json"),
        ("POST", "/articles/", b"{}", "application/json"),
        ("POST", "/articles/", b"{}", "text/plain"),
        ("PATCH", "/articles/0", b"{}", "application/json"),
        ("GET", "/articles/?limit=0", b"", "text/plain"),
        ("GET", "/users/x", b"", "text/plain"),
        ("POST", "/users/", b"", "application/json"),
        ("POST", "/auth/token", b"", "text/plain"),
    ],
)
def test_an_inactive_user_is_refused_before_an_invalid_request(
    client: httpx.Client,
    ann: User,
    sql: Sql,
    *,
    method: str,
    path: str,
    content: bytes,
    media_type: str,
) -> None:
    sql("UPDATE users SET is_active = false")
    headers = {**ann.headers, "Content-Type": media_type}
    more = ["error"] if path == "/auth/token" else []
    assert_problem(client.request(method, path, content=content, headers=headers), 401, *more)


@pytest.mark.parametrize(
    ("content", "field", "error"),
    [
        (b"username=a", "password", "invalid_request"),
        (b"password=b", "username", "invalid_request"),
        (b"username=%00&password=b", "username", "invalid_request"),
        (b"username=a&password=%00", "password", "invalid_request"),
        (b"scope=%00&username=a&password=b", "scope", "invalid_request"),
        (b"grant_type=implicit&username=a&password=b", "grant_type", "unsupported_grant_type"),
        (b"username=a&password=" + CANARY.encode() * 1000, "password", "invalid_request"),
        (b"username=" + CANARY.encode() * 1000 + b"&password=b", "username", "invalid_request"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_form_is_refused_with_an_error_of_oauth2(
    client: httpx.Client, content: bytes, field: str, error: str
) -> None:
    answer = client.post("/auth/token", content=content, headers=FORM)
    assert_refused(answer, "body", field, more=["error"])
    assert answer.json()["error"] == error
    assert CANARY not in answer.text


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"username=a&username=b&password=c", FORM, 400),
        (b"username=a&password=b&other=c&other=d", FORM, 400),
        (b"username=a&password=%ff", FORM, 400),
        (b"username=a&password=b", JSON, 415),
        (b"username=a&password=" + b"b" * 2 * MEBIBYTE, FORM, 413),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_form_that_cannot_be_read_is_an_invalid_request(
    client: httpx.Client, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/auth/token", content=content, headers=headers)
    assert assert_problem(answer, status, "error")["error"] == "invalid_request"


def test_a_field_that_is_unknown_or_empty_is_ignored(client: httpx.Client, ann: User) -> None:
    assert sign_in(client, ann.email, audience="x", scope="").status_code == 200


def test_no_other_problem_has_an_error_of_oauth2(client: httpx.Client) -> None:
    assert_problem(client.get("/users/me"), 401)
    assert_problem(client.get("/auth/token"), 405)
    assert_problem(client.get("/.well-known/jwks.json?x=1"), 422)


@pytest.mark.parametrize(
    ("registered", "sent"),
    [
        ("ann@xn--bcher-kva.example.com", "ann@xn--bcher-kva.example.com"),
        ("ann@bücher.example.com", "ann@xn--bcher-kva.example.com"),
        (" ann@example.com ", " ann@example.com "),
        ("a\u0301nn@example.com", "\xe1nn@example.com"),
        ("\xe1nn@example.com", "\xc1NN@example.com"),
        ("ann@\uff25XAMPLE.com", "ANN@example.com"),
    ],
)
def test_an_address_signs_in_as_it_was_registered(
    client: httpx.Client, registered: str, sent: str
) -> None:
    user = {"email": registered, "password": PASSWORD}
    assert client.post("/users/", json=user).status_code == 201
    assert sign_in(client, sent).status_code == 200


def test_a_form_may_hold_utf_8_that_is_not_percent_encoded(client: httpx.Client) -> None:
    user = {"email": "ann@example.com", "password": "pässwörd"}
    assert client.post("/users/", json=user).status_code == 201
    form = "username=ann@example.com&password=pässwörd".encode()
    assert client.post("/auth/token", content=form, headers=FORM).status_code == 200


@pytest.mark.parametrize(
    ("content", "headers"), [(b"{}", JSON), (b"password=%ff", FORM), (b"", FORM)]
)
def test_a_token_is_verified_before_the_form_is_refused(
    client: httpx.Client, content: bytes, headers: dict[str, str]
) -> None:
    headers = {**headers, "Authorization": "Bearer x"}
    answer = client.post("/auth/token", content=content, headers=headers)
    assert assert_problem(answer, 401, "error")["error"] == "invalid_client"


@pytest.mark.parametrize(
    "password",
    [
        "Zürich-Größe",
        "ﬁne print",
        "\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19",
        "\u212bngström",
    ],
)
def test_a_password_is_the_same_in_each_unicode_form(client: httpx.Client, password: str) -> None:
    forms = {unicodedata.normalize(form, password) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    assert len(forms) > 1
    for number, registered in enumerate(forms):
        user = {"email": f"ann{number}@example.com", "password": registered}
        assert client.post("/users/", json=user).status_code == 201
        for sent in forms:
            assert sign_in(client, user["email"], sent).status_code == 200
        assert sign_in(client, user["email"], password + "?").status_code == 401


def test_a_hash_of_a_password_as_it_was_sent_still_verifies(
    client: httpx.Client, ann: User, sql: Sql
) -> None:
    as_sent = unicodedata.normalize("NFD", "Zürich-Größe")
    sql(f"UPDATE users SET hashed_password = '{passwords._context.hash(as_sent)}'")
    assert sign_in(client, ann.email, as_sent).status_code == 200
    assert sign_in(client, ann.email, as_sent + "?").status_code == 401


@pytest.mark.parametrize("password", ["plain", "Zu\u0308rich"])
def test_without_an_account_as_many_hashes_are_computed(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute: Callable[..., bool] = passwords._context.verify
    computed: list[object] = []

    def verify(*arguments: object, **options: object) -> bool:
        computed.append(arguments)
        return compute(*arguments, **options)

    passwords._context.dummy_verify()  # makes the hash that it compares with
    hashed = passwords._context.hash("another one")
    monkeypatch.setattr(passwords._context, "verify", verify)
    assert not asyncio.run(verify_password(password, hashed))
    with_an_account = len(computed)
    assert not asyncio.run(verify_password(password, None))
    assert len(computed) == 2 * with_an_account > 0


@pytest.mark.parametrize(
    ("name", "compute"),
    [
        ("hash", lambda: hash_password(PASSWORD)),
        ("verify", lambda: verify_password(PASSWORD, None)),
    ],
)
def test_a_hash_is_computed_on_any_processor(
    name: str, compute: Callable[[], Awaitable[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere, used = os.sched_getaffinity(0), []
    context_method: Callable[..., object] = getattr(passwords._context, name)

    def noted(*arguments: object, **options: object) -> object:
        used.append(os.sched_getaffinity(0))
        return context_method(*arguments, **options)

    async def compute_beside_threads_that_share_one() -> None:
        async with shared_processor(list):
            await come_true(lambda: len(os.sched_getaffinity(0)) == 1)
            await compute()

    monkeypatch.setattr(passwords._context, name, noted)
    asyncio.run(compute_beside_threads_that_share_one())
    assert used
    assert all(processors == everywhere for processors in used)


def test_a_database_that_hangs_is_503_and_the_keys_are_published_on(
    client: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.transactions.SILENCE", 0.2)
    user = {"email": "ann@example.com", "password": PASSWORD}
    with hanging(database):
        for _ in range(3):  # the first take every thread, the others wait for one
            assert_problem(client.get("/articles/"), 503)
            assert_problem(client.post("/users/", json=user), 503)
            assert_problem(sign_in(client, "ann@example.com"), 503)
            assert client.get("/.well-known/jwks.json").status_code == 200
