"""The keys that verify tokens: waiting tokens share a fetch, and an outage loses no key."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest
from support.gateway import Start
from support.keys import KeyServer, bearer, refusal, verifier
from support.services import SigningKey
from support.upstream import RawUpstream, by_path, drip
from support.wire import json_reply

from gateway.problems import Problem
from gateway.proxy import tokens
from gateway.proxy.tokens import TokenVerifier, Unauthorized

GONE = "http://127.0.0.1:9"
JWKS = b"/.well-known/jwks.json"


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
