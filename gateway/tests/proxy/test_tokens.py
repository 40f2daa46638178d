"""Access tokens: RFC 6750, RFC 7519 and RFC 8725."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI
from support.gateway import Start
from support.services import Served, SigningKey, served
from support.upstream import RawUpstream, by_path, drip
from support.waiting import PATIENCE
from support.wire import json_reply

from gateway.config import Settings
from gateway.problems import Problem
from gateway.proxy import tokens
from gateway.proxy.tokens import TokenVerifier, Unauthorized

GONE = "http://127.0.0.1:9"
JWKS = b"/.well-known/jwks.json"


class KeyServer:
    """Publishes keys and counts how often it is asked."""

    def __init__(self) -> None:
        self.keys = [SigningKey()]
        self.fetches = 0
        self.app = FastAPI()
        self.app.add_api_route("/.well-known/jwks.json", self.jwks)
        self.served: Served

    async def jwks(self) -> dict[str, Any]:
        self.fetches += 1
        return {"keys": [key.jwk for key in self.keys]}

    @property
    def url(self) -> str:
        return f"{self.served.url}/.well-known/jwks.json"


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    server = KeyServer()
    with served(server.app) as server.served:
        yield server


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "REFRESH_INTERVAL", 0.0)


@asynccontextmanager
async def verifier(url: str) -> AsyncIterator[TokenVerifier]:
    yield TokenVerifier(Settings(), url)


async def judge(url: str, authorization: bytes | None) -> None:
    async with verifier(url) as one:
        await one.verify(authorization)


async def refusal(one: TokenVerifier, authorization: bytes) -> str:
    """Ask until the token is refused."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await one.verify(authorization)
            except Unauthorized as error:
                return str(error)
            await asyncio.sleep(0.01)


def bearer(token: str) -> bytes:
    return b"Bearer " + token.encode()


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


def test_a_token_with_a_known_key_is_verified_without_suspending(key_server: KeyServer) -> None:
    async def story() -> None:
        async with verifier(key_server.url) as one:
            await one.verify(bearer(key_server.keys[0].token()))
            again: Coroutine[Any, Any, None] = one.verify(bearer(key_server.keys[0].token(sub="2")))
            with pytest.raises(StopIteration):
                again.send(None)

    asyncio.run(story())


@pytest.mark.usefixtures("eager")
def test_a_new_key_is_fetched_when_a_token_names_it(key_server: KeyServer) -> None:
    async def story() -> None:
        async with verifier(key_server.url) as one:
            await one.verify(bearer(key_server.keys[0].token()))
            key_server.keys.append(SigningKey("second"))
            await one.verify(bearer(key_server.keys[1].token()))
            await one.verify(bearer(key_server.keys[0].token(sub="2")))

    asyncio.run(story())
    assert key_server.fetches == 2


async def flood(one: TokenVerifier) -> None:
    made_up = [bearer(SigningKey(f"kid-{number}").token()) for number in range(30)]
    refusals = await asyncio.gather(*map(one.verify, made_up), return_exceptions=True)
    assert all(isinstance(refusal, Unauthorized) for refusal in refusals)


@pytest.mark.usefixtures("eager")
def test_tokens_with_made_up_key_ids_share_a_fetch(key_server: KeyServer) -> None:
    async def story() -> None:
        async with verifier(key_server.url) as one:
            await flood(one)
            await flood(one)

    asyncio.run(story())
    assert key_server.fetches == 2


def test_a_token_with_an_unknown_key_id_waits_for_the_next_fetch(
    key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "REFRESH_INTERVAL", 600.0)

    async def story() -> None:
        async with verifier(key_server.url) as one:
            await one.verify(bearer(key_server.keys[0].token()))
            waiting = asyncio.create_task(one.verify(bearer(SigningKey("unknown").token())))
            await asyncio.wait([waiting], timeout=0.2)
            assert not waiting.done()
            waiting.cancel()

    asyncio.run(story())
    assert key_server.fetches == 1


@pytest.mark.usefixtures("eager")
def test_keys_are_kept_through_an_outage(key_server: KeyServer) -> None:
    async def story() -> None:
        async with verifier(key_server.url) as one:
            await one.verify(bearer(key_server.keys[0].token()))
            one._jwks_url = GONE
            await one.verify(bearer(key_server.keys[0].token(sub="2")))
            with pytest.raises(Unauthorized):
                await one.verify(bearer(SigningKey("unknown").token()))
            await one.verify(bearer(key_server.keys[0].token(sub="3")))

    asyncio.run(story())


@pytest.mark.usefixtures("eager")
def test_without_keys_a_token_is_503(key_server: KeyServer) -> None:
    async def story() -> None:
        async with verifier(GONE) as one:
            with pytest.raises(Problem, match="at the moment"):
                await one.verify(bearer(key_server.keys[0].token()))
            with pytest.raises(Unauthorized):
                await one.verify(b"Bearer nonsense")
            one._jwks_url = key_server.url
            await one.verify(bearer(key_server.keys[0].token()))

    asyncio.run(story())


WITHOUT_KEYS = [
    b"garbage\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    json_reply(b"{}"),
    json_reply(b"[]"),
    json_reply(b"null"),
    json_reply(b"nonsense"),
    json_reply(b"[" * 100_000),
    json_reply(b'{"keys":{"a":1}}'),
    json_reply(b'{"keys":[3]}'),
    json_reply(b'{"keys":[{"kty":"OKP"}]}'),
    json_reply(b'{"keys":[{"kty":["x"]}]}'),
    json_reply(b'{"keys":[{"kty":"OKP","crv":5,"x":5}]}'),
    json_reply(
        b'{"keys":[{"kty":"OKP","crv":"Ed25519","kid":["x"],'
        b'"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
    ),
]


@pytest.mark.parametrize("bad", WITHOUT_KEYS, ids=lambda bad: bad[-30:].decode())
@pytest.mark.usefixtures("eager")
def test_an_answer_without_keys_changes_nothing(
    gateway: Start, upstream: RawUpstream, bad: bytes
) -> None:
    good = SigningKey()
    published = json_reply(json.dumps({"keys": [good.jwk]}).encode())
    running = gateway(upstream.url, limits={"posts": {"writes": "signed-in"}})

    def status(token: str) -> int:
        return running.get("/posts", b"Authorization: " + bearer(token), method="POST").status

    upstream.script = by_path({JWKS: bad})
    assert status(good.token()) == 503
    upstream.script = by_path({JWKS: published})
    assert status(good.token()) == 200
    upstream.script = by_path({JWKS: bad})
    assert status(SigningKey("unknown").token()) == 401
    assert status(good.token(sub="2")) == 200


@pytest.mark.usefixtures("eager")
def test_keys_that_trickle_in_are_not_waited_for(
    gateway: Start, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "FETCH_TIMEOUT", 1.0)
    upstream.script = drip
    running = gateway(upstream.url, limits={"posts": {"writes": "signed-in"}})
    field = b"Authorization: " + bearer(SigningKey().token())
    assert running.get("/posts", field, method="POST").status == 503


@pytest.mark.usefixtures("eager")
def test_a_withdrawn_key_is_forgotten_once_its_age_is_over(
    key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with verifier(key_server.url) as one:
            token = bearer(key_server.keys[0].token())
            await one.verify(token)
            key_server.keys = [SigningKey("second")]
            monkeypatch.setattr(tokens, "KEYS_MAX_AGE", 0.0)
            await one.verify(token)
            await refusal(one, token)

    asyncio.run(story())


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


def test_a_client_that_leaves_does_not_cancel_the_shared_fetch(
    key_server: KeyServer,
) -> None:
    async def story() -> None:
        async with verifier(key_server.url) as one:
            token = bearer(key_server.keys[0].token())
            leaving = asyncio.create_task(one.verify(token))
            staying = asyncio.create_task(one.verify(token))
            await asyncio.sleep(0)
            leaving.cancel()
            await staying
            assert leaving.cancelled()

    asyncio.run(story())
    assert key_server.fetches == 1


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
