"""Tokens verified with the keys that another service publishes (RFC 7517)."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
import sample
from conftest import Verify, refusal
from pydantic import HttpUrl
from starlette.exceptions import HTTPException

from chassis import tokens
from chassis.errors import UnauthorizedError
from chassis.tokens import PublishedKeysVerifier, make_token_verifier
from chassis_testing.keys import (
    KeyServer,
    SigningKey,
    encoded,
)
from chassis_testing.problem import CANARY

KEY = SigningKey()
GONE = "http://127.0.0.1:9/jwks.json"


def test_a_token_with_a_known_key_is_verified_without_suspending(
    key_server: KeyServer, published: PublishedKeysVerifier
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
    key_server: KeyServer, published: PublishedKeysVerifier
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
    key_server: KeyServer, published: PublishedKeysVerifier
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


def test_a_new_key_right_after_a_fetch_waits_for_the_next_one(
    key_server: KeyServer, published: PublishedKeysVerifier
) -> None:
    async def story() -> None:
        await published.caller_id(key_server.keys[0].token())
        fetched_at = published._fetched_at
        key_server.keys.append(SigningKey("second"))
        made_up = [SigningKey(f"kid-{number}").token() for number in range(30)]
        waiting = [asyncio.create_task(published.caller_id(token)) for token in made_up]
        assert await published.caller_id(key_server.keys[1].token(sub="2")) == 2
        await asyncio.gather(*waiting, return_exceptions=True)
        assert published._fetched_at - fetched_at >= tokens.FETCH_INTERVAL

    asyncio.run(story())
    assert key_server.fetches == 2


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "header",
    [{"alg": "EdDSA"}, {"alg": "EdDSA", "kid": ""}, {"alg": "HS256", "kid": "another"}],
)
def test_a_token_that_no_key_can_verify_is_refused_at_once(
    key_server: KeyServer, published: PublishedKeysVerifier, header: dict[str, str]
) -> None:
    bad = f"{encoded(header)}.{KEY.token().partition('.')[2]}"

    async def story() -> None:
        await published.caller_id(key_server.keys[0].token())
        refused_at_once(published.caller_id(bad))

    asyncio.run(story())
    assert key_server.fetches == 1


def test_no_known_key_waits_for_keys_that_do_not_come(
    key_server: KeyServer, published: PublishedKeysVerifier, monkeypatch: pytest.MonkeyPatch
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
def test_keys_are_kept_through_an_outage(
    key_server: KeyServer, published: PublishedKeysVerifier
) -> None:
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
    key_server: KeyServer, published: PublishedKeysVerifier
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


def test_keys_that_do_not_come_are_not_waited_for(
    published: PublishedKeysVerifier, monkeypatch: pytest.MonkeyPatch
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
    key_server: KeyServer, published: PublishedKeysVerifier, monkeypatch: pytest.MonkeyPatch
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
    key_server: KeyServer, published: PublishedKeysVerifier
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
    assert make_token_verifier(sample.Settings(database_url="sqlite://")) is None
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
        verifier = make_token_verifier(settings)
        assert verifier
        assert asyncio.run(verifier.caller_id(token)) == 1
        with pytest.raises(UnauthorizedError):
            asyncio.run(verifier.caller_id(key_server.keys[0].token(**bad)))
