"""Tokens: the keys that sign and verify them, and who is refused."""

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from conftest import PASSWORD, PLATFORM, User, sign_in
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI
from sqlalchemy import URL

from chassis_testing.fixtures import Sql
from chassis_testing.keys import encoded
from chassis_testing.problem import CANARY, assert_problem
from chassis_testing.running import serving

PRIVATE = [
    *(("GET", "/users/"), ("GET", "/users/me"), ("GET", "/users/1"), ("POST", "/articles/")),
    *(("PATCH", "/articles/1"), ("DELETE", "/articles/1")),
]
PUBLIC = [
    *(("GET", "/articles/"), ("GET", "/articles/1"), ("GET", "/.well-known/jwks.json")),
    *(("POST", "/users/"), ("POST", "/auth/token")),
]


def token_of(user: User) -> str:
    return user.headers["Authorization"].removeprefix("Bearer ")


def test_the_token_of_a_user_who_was_removed_is_refused(
    client: httpx.Client, ann: User, sql: Sql
) -> None:
    sql("DELETE FROM users")
    assert_problem(client.get("/users/me", headers=ann.headers), 401)


def test_the_published_keys_verify_a_token(client: httpx.Client, ann: User) -> None:
    answer = client.get("/.well-known/jwks.json")
    (key,) = answer.json()["keys"]
    header = jwt.get_unverified_header(token_of(ann))
    assert {name: key[name] for name in ("kty", "crv", "use", "alg")} == {
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "EdDSA",
    }
    assert "d" not in key, "the private part"
    assert (header["alg"], header["kid"]) == ("EdDSA", key["kid"])
    claims = jwt.decode(
        token_of(ann),
        jwt.PyJWK(key),
        algorithms=["EdDSA"],
        audience="inkwell",
        issuer="inkwell-platform",
    )
    assert claims["sub"] == str(ann.id)
    assert claims["exp"] - claims["iat"] == 900


def test_a_key_is_named_by_its_thumbprint(client: httpx.Client) -> None:
    (key,) = client.get("/.well-known/jwks.json").json()["keys"]
    members = f'{{"crv":"Ed25519","kty":"OKP","x":"{key["x"]}"}}'  # RFC 7638
    digest = base64.urlsafe_b64encode(hashlib.sha256(members.encode()).digest())
    assert key["kid"] == digest.rstrip(b"=").decode()


@pytest.mark.parametrize(("method", "path"), PRIVATE)
def test_a_private_route_needs_a_token(client: httpx.Client, method: str, path: str) -> None:
    body = {"title": "x", "content": "x"} if method in {"POST", "PATCH"} else None
    answer = client.request(method, path, json=body)
    assert_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), PUBLIC)
def test_a_token_that_is_sent_to_a_public_route_must_be_valid(
    client: httpx.Client, method: str, path: str
) -> None:
    answer = client.request(method, path, headers={"Authorization": f"Bearer {CANARY}"})
    assert_problem(answer, 401, *(["error"] if path == "/auth/token" else []))
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.fixture
def forge(server: tuple[FastAPI, httpx.Client], ann: User) -> Callable[..., str]:
    """Makes a token that is right but for what is asked for; None leaves a claim out."""

    def make(header: dict[str, Any] | None = None, **claims: object) -> str:
        keys = server[0].state.keys
        right = jwt.decode(token_of(ann), options={"verify_signature": False})
        changed = {name: value for name, value in (right | claims).items() if value is not None}
        kid = {"kid": jwt.get_unverified_header(token_of(ann))["kid"]}
        return jwt.encode(changed, keys._signing_key, "EdDSA", headers=kid | (header or {}))

    return make


def test_the_forge_makes_good_tokens(client: httpx.Client, forge: Callable[..., str]) -> None:
    headers = {"Authorization": f"Bearer {forge()}"}
    assert client.get("/users/me", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({}, {"exp": 1}),
        ({}, {"exp": None}),
        ({}, {"exp": "soon"}),
        ({}, {"nbf": 2**40}),
        ({}, {"iss": "somebody-else"}),
        ({}, {"iss": None}),
        ({}, {"aud": "something-else"}),
        ({}, {"aud": None}),
        ({}, {"sub": None}),
        ({}, {"sub": "ann"}),
        ({}, {"sub": "0"}),
        ({}, {"sub": " 1"}),
        ({}, {"sub": "\u0661"}),
        ({}, {"sub": "1_0"}),
        ({}, {"sub": "9223372036854775808"}),
        ({}, {"sub": "9" * 5000}),
        ({"kid": "another"}, {}),
        ({"kid": "../../etc/passwd"}, {}),
        ({"kid": ""}, {}),
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused(
    client: httpx.Client, forge: Callable[..., str], header: dict[str, Any], claims: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {forge(header, **claims)}"}
    assert_problem(client.get("/users/me", headers=headers), 401)


@pytest.mark.parametrize("iat", [None, 2**40, "later"])
def test_the_time_of_issue_is_not_judged(
    client: httpx.Client, forge: Callable[..., str], iat: object
) -> None:
    headers = {"Authorization": f"Bearer {forge(iat=iat)}"}
    assert client.get("/users/me", headers=headers).status_code == 200


def test_a_clock_that_is_a_little_ahead_refuses_no_token_that_is_valid_elsewhere(
    client: httpx.Client, forge: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"Authorization": f"Bearer {forge(exp=int(time.time()) - 600)}"}
    assert_problem(client.get("/users/me", headers=headers), 401)
    monkeypatch.setattr("chassis.tokens.CLOCK_SECONDS", 3600)
    assert client.get("/users/me", headers=headers).status_code == 200


def test_a_request_with_two_tokens_is_refused(client: httpx.Client, ann: User) -> None:
    authorization = ("Authorization", ann.headers["Authorization"])
    for other in (authorization, ("Authorization", "Basic x")):
        answer = client.get("/articles/", headers=[authorization, other])
        assert_problem(answer, 401)


def forgeries(token: str, public: str) -> dict[str, str]:
    """Tokens that were not issued, each close to one that was."""
    claims = jwt.decode(token, options={"verify_signature": False})
    header = jwt.get_unverified_header(token)
    head, payload, signature = token.split(".")
    kid = {"kid": header["kid"]}
    return {
        "unsigned": jwt.encode(claims, "", "none", headers=kid),
        "signed with the public key": jwt.encode(claims, public * 2, "HS256", headers=kid),
        "signed with another key": jwt.encode(
            claims, Ed25519PrivateKey.generate(), "EdDSA", headers=kid
        ),
        "another user": f"{head}.{encoded(claims | {'sub': '999'})}.{signature}",
        "another algorithm": f"{encoded(header | {'alg': 'none'})}.{payload}.",
        "no signature": f"{head}.{payload}.",
        "cut off": token[:-4],
        "a header that is no object": f"{encoded([])}.{payload}.{signature}",
        "a key name that is no text": f"{encoded(header | {'kid': [1]})}.{payload}.{signature}",
        "a number for a key name": f"{encoded(header | {'kid': 1})}.{payload}.{signature}",
        "claims that are no object": f"{head}.{encoded([])}.{signature}",
        "dots": "..",
        "not ASCII": "é.é.é",
        "twice": f"{token} {token}",
        "very long": "x" * 30_000,
    }


def test_a_forged_token_is_refused(
    client: httpx.Client, ann: User, subtests: pytest.Subtests
) -> None:
    public = client.get("/.well-known/jwks.json").json()["keys"][0]["x"]
    for kind, token in forgeries(token_of(ann), public).items():
        with subtests.test(kind):
            headers = [(b"Authorization", f"Bearer {token}".encode("latin-1"))]
            assert_problem(client.get("/users/me", headers=headers), 401)


@pytest.mark.parametrize("value", ["Bearer", "Basic YW5uOnB3", "Token x", "x", ""])
def test_another_authorization_than_a_bearer_token_is_refused(
    client: httpx.Client, value: str
) -> None:
    assert_problem(client.get("/users/me", headers={"Authorization": value}), 401)


def pem(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def rotated(
    database_url: URL, tmp_path: Path
) -> Iterator[tuple[FastAPI, httpx.Client, list[Ed25519PrivateKey]]]:
    """A service with two keys, the newer one first."""
    keys = [Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()]
    (file := tmp_path / "keys.pem").write_text("".join(map(pem, keys)))
    settings = PLATFORM.settings_for(database_url).model_copy(update={"signing_key_file": file})
    app = PLATFORM.create_app(settings)
    with serving(app, settings) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield app, client, keys


def test_of_several_keys_the_first_signs_and_all_verify(
    rotated: tuple[FastAPI, httpx.Client, list[Ed25519PrivateKey]],
) -> None:
    _, client, keys = rotated
    client.post("/users/", json={"email": "ann@example.com", "password": PASSWORD})
    token = sign_in(client, "ann@example.com").json()["access_token"]
    published = client.get("/.well-known/jwks.json").json()["keys"]
    assert len(published) == 2
    assert jwt.get_unverified_header(token)["kid"] == published[0]["kid"]
    jwt.decode(token, keys[0].public_key(), algorithms=["EdDSA"], audience="inkwell")
    claims = jwt.decode(token, options={"verify_signature": False})
    older = jwt.encode(claims, keys[1], "EdDSA", headers={"kid": published[1]["kid"]})
    for good in (token, older):
        answer = client.get("/users/me", headers={"Authorization": f"Bearer {good}"})
        assert answer.status_code == 200
    mixed = jwt.encode(claims, keys[1], "EdDSA", headers={"kid": published[0]["kid"]})
    assert_problem(client.get("/users/me", headers={"Authorization": f"Bearer {mixed}"}), 401)
