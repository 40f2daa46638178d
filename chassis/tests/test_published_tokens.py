"""Tokens verified with the keys that another service publishes (RFC 7517)."""

import asyncio
import json
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from typing import Any

import jwt
import pytest
import sample
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from pydantic import HttpUrl
from starlette.exceptions import HTTPException

from chassis import tokens
from chassis.errors import UnauthorizedError
from chassis.tokens import PublishedTokens, tokens_of_callers
from chassis_testing.keys import (
    AUDIENCE,
    ISSUER,
    KeyServer,
    SigningKey,
    base64url,
    claims_of,
    encoded,
    ok,
    publishing,
)
from chassis_testing.problem import CANARY

KEY = SigningKey()
GONE = "http://127.0.0.1:9/jwks.json"


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    with publishing() as running:
        yield running


@pytest.fixture
def published(key_server: KeyServer) -> PublishedTokens:
    return PublishedTokens(ISSUER, AUDIENCE, key_server.url)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two fetches follow each other at once."""
    monkeypatch.setattr(tokens, "FETCH_INTERVAL", 0.0)


Verify = Coroutine[Any, Any, int]


async def refusal(verifying: Verify) -> str:
    with pytest.raises(UnauthorizedError) as error:
        await verifying
    return str(error.value)


def test_a_token_with_a_known_key_is_verified_without_suspending(
    key_server: KeyServer, published: PublishedTokens
) -> None:
    async def story() -> None:
        await published.caller_id(key_server.keys[0].token())
        again = published.caller_id(key_server.keys[0].token(sub="2"))
        with pytest.raises(StopIteration):
            again.send(None)

    asyncio.run(story())
    assert key_server.fetches == 1


@pytest.mark.usefixtures("eager")
def test_a_new_key_is_fetched_when_a_token_names_it(
    key_server: KeyServer, published: PublishedTokens
) -> None:
    async def story() -> None:
        await published.caller_id(key_server.keys[0].token())
        key_server.keys.append(SigningKey("second"))
        assert await published.caller_id(key_server.keys[1].token(sub="2")) == 2
        assert await published.caller_id(key_server.keys[0].token(sub="3")) == 3

    asyncio.run(story())
    assert key_server.fetches == 2


@pytest.mark.usefixtures("eager")
def test_tokens_with_made_up_key_ids_share_a_fetch(
    key_server: KeyServer, published: PublishedTokens
) -> None:
    async def flood() -> None:
        made_up = [SigningKey(f"kid-{number}").token() for number in range(30)]
        refusals = await asyncio.gather(*map(published.caller_id, made_up), return_exceptions=True)
        assert all(isinstance(refusal, UnauthorizedError) for refusal in refusals)

    async def story() -> None:
        await flood()
        await flood()

    asyncio.run(story())
    assert key_server.fetches == 2


def refused_at_once(verifying: Verify) -> None:
    """Check that a token is refused without waiting for anything."""
    with pytest.raises(UnauthorizedError):
        verifying.send(None)


def test_after_a_fetch_an_unknown_key_is_refused_without_another_one(
    key_server: KeyServer, published: PublishedTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "FETCH_INTERVAL", 600.0)

    async def story() -> None:
        good = key_server.keys[0]
        await published.caller_id(good.token())
        for number in range(30):
            refused_at_once(published.caller_id(SigningKey(f"kid-{number}").token()))
        assert await published.caller_id(good.token(sub="2")) == 2
        monkeypatch.setattr(tokens, "FETCH_INTERVAL", 0.0)
        key_server.keys.append(SigningKey("second"))
        assert await published.caller_id(key_server.keys[1].token()) == 1

    asyncio.run(story())
    assert key_server.fetches == 2


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "header",
    [{"alg": "EdDSA"}, {"alg": "EdDSA", "kid": ""}, {"alg": "HS256", "kid": "another"}],
)
def test_a_token_that_no_key_can_verify_is_refused_at_once(
    key_server: KeyServer, published: PublishedTokens, header: dict[str, str]
) -> None:
    bad = f"{encoded(header)}.{KEY.token().partition('.')[2]}"

    async def story() -> None:
        await published.caller_id(key_server.keys[0].token())
        refused_at_once(published.caller_id(bad))

    asyncio.run(story())
    assert key_server.fetches == 1


def test_no_known_key_waits_for_keys_that_do_not_come(
    key_server: KeyServer, published: PublishedTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        good = key_server.keys[0]
        await published.caller_id(good.token())
        monkeypatch.setattr(tokens, "FETCH_INTERVAL", 0.0)
        monkeypatch.setattr(tokens, "KEYS_MAX_AGE", 0.0)
        asked = asyncio.Event()

        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.set()
            await reader.read()
            writer.close()

        async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
            published._url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            made_up = [SigningKey(f"kid-{number}").token() for number in range(30)]
            waiting = [asyncio.create_task(published.caller_id(token)) for token in made_up]
            await asked.wait()
            with pytest.raises(StopIteration):
                published.caller_id(good.token(sub="2")).send(None)
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(result, UnauthorizedError) for result in results)

    monkeypatch.setattr(tokens, "FETCH_SECONDS", 1.0)
    asyncio.run(story())


@pytest.mark.usefixtures("eager")
def test_keys_are_kept_through_an_outage(key_server: KeyServer, published: PublishedTokens) -> None:
    async def story() -> None:
        good = key_server.keys[0]
        await published.caller_id(good.token())
        published._url = GONE
        await published.caller_id(good.token(sub="2"))
        await refusal(published.caller_id(SigningKey("unknown").token()))
        await published.caller_id(good.token(sub="3"))

    asyncio.run(story())


@pytest.mark.usefixtures("eager")
def test_before_the_first_keys_a_token_is_503(
    key_server: KeyServer, published: PublishedTokens
) -> None:
    published._url = GONE

    async def story() -> None:
        with pytest.raises(HTTPException) as error:
            await published.caller_id(key_server.keys[0].token())
        assert error.value.status_code == 503
        assert error.value.headers == {"Retry-After": "1"}
        await refusal(published.caller_id(CANARY))  # no key could make a token of it
        published._url = key_server.url
        assert await published.caller_id(key_server.keys[0].token()) == 1

    asyncio.run(story())


def jwks(*keys: object) -> bytes:
    return ok(json.dumps({"keys": keys}).encode())


PRIVATE_RSA = rsa.generate_private_key(65537, 2048)
RSA = RSAAlgorithm.to_jwk(PRIVATE_RSA.public_key(), as_dict=True) | {"kid": "first"}
EC = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
ED448 = OKPAlgorithm.to_jwk(ed448.Ed448PrivateKey.generate().public_key(), as_dict=True)
SECRET = {"kty": "oct", "k": base64url(b"secret" * 8), "kid": "first"}
PRIVATE = OKPAlgorithm.to_jwk(KEY.private, as_dict=True) | {"kid": "first"}
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
WITHOUT_KEYS = {
    "garbage": b"garbage\r\n\r\n",
    "nothing": b"",
    "a wrong chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "less than announced": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
    "a redirection": REDIRECT,
    "503": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "404 with keys": jwks(KEY.jwk).replace(b"200 OK", b"404 Not Found"),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    **{text[:9]: ok(text.encode()) for text in ("{}", "[]", "null", "nonsense", "[" * 50_000)},
    "not UTF-8": ok(b"\xff\xfe"),
    "compressed": ok(b"\x1f\x8b\x08", b"Content-Encoding: gzip"),
    "huge": ok(json.dumps({"x": "x" * tokens.MAX_KEY_SET, "keys": [KEY.jwk]}).encode()),
    "keys that are no list": ok(b'{"keys":{"a":1}}'),
    "no keys": jwks(),
    "a key that is a number": jwks(3),
    "a key of lists": jwks({"kty": ["x"], "crv": ["x"]}),
    "a key without its value": jwks({"kty": "OKP", "crv": "Ed25519", "kid": "first"}),
    "a value that is too short": jwks(KEY.jwk | {"x": "AAAA"}),
    "a key without an id": jwks({n: v for n, v in KEY.jwk.items() if n != "kid"}),
    "an id that is a list": jwks(KEY.jwk | {"kid": ["first"]}),
    "a key to encrypt": jwks(KEY.jwk | {"use": "enc"}),
    "a key of another algorithm": jwks(KEY.jwk | {"alg": "ES256"}),
    "an algorithm that is a list": jwks(KEY.jwk | {"alg": ["EdDSA"]}),
    "other key types": jwks(RSA, EC | {"kid": "first"}, ED448 | {"kid": "first"}, SECRET, PRIVATE),
}


@pytest.mark.parametrize("bad", WITHOUT_KEYS)
@pytest.mark.usefixtures("eager")
def test_an_answer_without_keys_changes_nothing(
    key_server: KeyServer, published: PublishedTokens, bad: str
) -> None:
    key_server.keys = [KEY]

    async def story() -> None:
        key_server.answer = WITHOUT_KEYS[bad]
        with pytest.raises(HTTPException, match="503"):
            await published.caller_id(KEY.token())
        key_server.answer = None
        await published.caller_id(KEY.token())
        key_server.answer = WITHOUT_KEYS[bad]
        await refusal(published.caller_id(SigningKey("unknown").token()))
        await published.caller_id(KEY.token(sub="2"))

    asyncio.run(story())
    assert key_server.fetches == 3


@pytest.mark.usefixtures("eager")
def test_a_key_of_another_type_verifies_nothing_beside_a_good_one(
    key_server: KeyServer, published: PublishedTokens
) -> None:
    key_server.answer = jwks(RSA | {"kid": "rsa"}, SECRET | {"kid": "secret"}, 3, KEY.jwk)
    claims = claims_of(KEY.token())
    rs256 = jwt.encode(claims, PRIVATE_RSA, "RS256", headers={"kid": "rsa"})
    hs256 = jwt.encode(claims, b"secret" * 8, "HS256", headers={"kid": "secret"})

    async def story() -> None:
        assert await published.caller_id(KEY.token()) == 1
        await refusal(published.caller_id(rs256))
        await refusal(published.caller_id(hs256))

    asyncio.run(story())


def test_of_200_keys_each_verifies(key_server: KeyServer, published: PublishedTokens) -> None:
    key_server.keys = [SigningKey(f"key-{number}") for number in range(200)]

    async def story() -> None:
        for key in key_server.keys:
            assert await published.caller_id(key.token()) == 1

    asyncio.run(story())
    assert key_server.fetches == 1


def test_keys_that_do_not_come_are_not_waited_for(
    published: PublishedTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "FETCH_SECONDS", 0.2)

    async def story() -> None:
        gone = asyncio.Event()

        async def drip(_reader: object, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            with suppress(ConnectionError):
                while True:
                    writer.write(b"1\r\n \r\n")
                    await writer.drain()
                    await asyncio.sleep(0.05)
            writer.close()
            gone.set()

        async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            published._url = f"http://127.0.0.1:{port}/"
            with pytest.raises(HTTPException, match="503"):
                await published.caller_id(KEY.token())
            await gone.wait()

    asyncio.run(story())


@pytest.mark.usefixtures("eager")
def test_a_withdrawn_key_verifies_nothing_once_the_keys_are_old(
    key_server: KeyServer, published: PublishedTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        token = key_server.keys[0].token()
        await published.caller_id(token)
        key_server.keys = [SigningKey("second")]
        assert await published.caller_id(token) == 1
        monkeypatch.setattr(tokens, "KEYS_MAX_AGE", 0.0)
        assert await published.caller_id(token) == 1  # the fetch begins in the background
        assert published._refresh
        await published._refresh
        await refusal(published.caller_id(token))

    asyncio.run(story())


def test_a_client_that_leaves_does_not_cancel_the_shared_fetch(
    key_server: KeyServer, published: PublishedTokens
) -> None:
    async def story() -> None:
        token = key_server.keys[0].token()
        leaving = asyncio.create_task(published.caller_id(token))
        staying = asyncio.create_task(published.caller_id(token))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying == 1
        assert leaving.cancelled()

    asyncio.run(story())
    assert key_server.fetches == 1


def test_without_a_url_of_keys_no_caller_is_known_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert tokens_of_callers(sample.Settings(database_url="sqlite://")) is None
    [line] = caplog.messages
    assert line.startswith("SAMPLE_KEYS_URL is not set: ")


def test_the_settings_name_the_keys_the_issuer_and_the_audience(key_server: KeyServer) -> None:
    settings = sample.Settings(
        database_url="sqlite://",
        keys_url=HttpUrl(key_server.url),
        token_issuer="an issuer",
        token_audience="readers",
    )
    token = key_server.keys[0].token(iss="an issuer", aud="readers")
    wrong: list[dict[str, Any]] = [{"iss": "an issuer"}, {"aud": "readers"}]
    for bad in wrong:
        verifier = tokens_of_callers(settings)
        assert verifier
        assert asyncio.run(verifier.caller_id(token)) == 1
        with pytest.raises(UnauthorizedError):
            asyncio.run(verifier.caller_id(key_server.keys[0].token(**bad)))
