"""Access tokens: RFC 6750, RFC 7519 and RFC 8725."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI
from support.gateway import Start
from support.keys import KeyServer, bearer, judge, verifier
from support.services import SigningKey, served
from support.upstream import RawUpstream

from gateway.proxy.tokens import Unauthorized


def unsigned(header: dict[str, Any]) -> bytes:
    claims = {"exp": time.time() + 60, "iss": "inkwell-platform", "aud": "inkwell"}
    parts = (json.dumps(header), json.dumps(claims), "x")
    return bearer(".".join(base64url(part.encode()) for part in parts))


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_with_the_public_key(key: SigningKey) -> str:
    """Make the token of RFC 8725, section 2.1: HS256 with a secret that anyone can fetch."""
    claims = json.dumps({"exp": time.time() + 60, "iss": "inkwell-platform", "aud": "inkwell"})
    header = json.dumps({"alg": "HS256", "kid": key.kid})
    signed = ".".join(base64url(part.encode()) for part in (header, claims))
    secret = key.private.public_key().public_bytes_raw()
    return f"{signed}.{base64url(hmac.digest(secret, signed.encode(), 'sha256'))}"


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER  "])
def test_a_good_token_is_accepted_in_any_letter_case_of_the_scheme(
    key_server: KeyServer, scheme: bytes
) -> None:
    token = key_server.keys[0].token().encode()
    asyncio.run(judge(key_server.url, scheme + token))


BAD: dict[str, Callable[[SigningKey], bytes | None]] = {
    "no header": lambda _: None,
    "another scheme": lambda key: b"Basic " + key.token().encode(),
    "no token": lambda _: b"Bearer ",
    "not a token": lambda _: b"Bearer secret-nonsense",
    "not ASCII": lambda _: b"Bearer \xff\xfe.\xff.\xff",
    "expired": lambda key: bearer(key.token(exp=int(time.time()) - 1)),
    "not valid yet": lambda key: bearer(key.token(nbf=int(time.time()) + 60)),
    "another issuer": lambda key: bearer(key.token(iss="someone")),
    "another audience": lambda key: bearer(key.token(aud="something")),
    "an endless expiry": lambda key: bearer(key.token(exp=10**400)),
    "no expiry": lambda key: bearer(key.token(exp=None)),
    "no issuer": lambda key: bearer(key.token(iss=None)),
    "no audience": lambda key: bearer(key.token(aud=None)),
    "no key id": lambda key: bearer(
        jwt.encode({"exp": time.time() + 60, "iss": "inkwell-platform"}, key.private, "EdDSA")
    ),
    "a key id that is a list": lambda _: unsigned({"alg": "EdDSA", "kid": ["first"]}),
    "an unknown key id": lambda _: bearer(SigningKey("unknown").token()),
    "another key of the same id": lambda _: bearer(SigningKey("first").token()),
    "algorithm none": lambda _: unsigned({"alg": "none", "kid": "first"}),
    "the public key as a secret": lambda key: bearer(signed_with_the_public_key(key)),
    "a header of 20,000 brackets": lambda _: (
        b"Bearer " + base64.urlsafe_b64encode(b"[" * 20_001) + b".e30.e30"
    ),
    "a payload changed afterwards": lambda key: bearer(
        ".".join(
            part if place != 1 else key.token(sub="2").split(".")[1]
            for place, part in enumerate(key.token().split("."))
        )
    ),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.usefixtures("eager")
def test_a_bad_token_is_refused_and_not_echoed(key_server: KeyServer, bad: str) -> None:
    authorization = BAD[bad](key_server.keys[0])
    with pytest.raises(Unauthorized) as refusal:
        asyncio.run(judge(key_server.url, authorization))
    detail = str(refusal.value)
    assert detail.endswith(".")
    assert authorization is None or not set(detail.split()) & set(
        authorization.decode("latin-1").split()[1:]
    )


@pytest.mark.usefixtures("eager")
def test_a_published_key_of_another_algorithm_verifies_nothing() -> None:
    private = rsa.generate_private_key(65537, 2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
    published = {"keys": [{**public, "kid": "rsa", "alg": "RS256"}, SigningKey().jwk]}
    claims = {"exp": time.time() + 60, "iss": "inkwell-platform", "aud": "inkwell"}
    token = jwt.encode(claims, private, "RS256", headers={"kid": "rsa"})
    app = FastAPI()
    app.add_api_route("/jwks", lambda: published)
    with served(app) as server, pytest.raises(Unauthorized):
        asyncio.run(judge(f"{server.url}/jwks", bearer(token)))


def test_a_token_seen_before_is_refused_once_it_has_expired(
    key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time

    async def story() -> None:
        async with verifier(key_server.url) as one:
            token = bearer(key_server.keys[0].token())
            await one.verify(token)
            monkeypatch.setattr(time, "time", lambda: now() + 901)
            with pytest.raises(Unauthorized, match="expired"):
                await one.verify(token)

    asyncio.run(story())


def test_writes_to_posts_need_a_token_and_reads_do_not(
    gateway: Start, upstream: RawUpstream
) -> None:
    """RFC 6750, section 3."""
    running = gateway(upstream.url, limits={"posts": {"writes": "signed-in"}})
    for method in ("POST", "PATCH", "DELETE", "PUT", "PURGE"):
        answer = running.get("/posts/1", method=method)
        assert (answer.status, answer.all(b"www-authenticate")) == (401, [b"Bearer"])
    assert upstream.requests == []
    for method in ("GET", "HEAD", "OPTIONS"):
        assert running.get("/posts/1", method=method).status == 200
