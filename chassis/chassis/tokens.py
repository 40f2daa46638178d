"""Tokens (RFC 7519): verified with the keys of this service, or with those that another publishes.

`app.state.token_verifier` of a service is one of these classes, or None where it knows no callers.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Mapping
from functools import lru_cache

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException

from chassis.errors import UnauthorizedError
from chassis.problems import RETRY_SOON
from chassis.schemas import RowId
from chassis.settings import CallerSettings

logger = logging.getLogger(__name__)

ALGORITHM = "EdDSA"  # RFC 8037
CLOCK_SECONDS = 10  # by which the clocks of services may differ
VERIFIED_TOKENS = 10_000  # that are remembered, since a signature takes 100 µs
KEYS_MAX_AGE = 300.0  # seconds until published keys are fetched again in the background
FETCH_INTERVAL = 1.0  # seconds between two fetches, whatever key ids the tokens name
FETCH_SECONDS = 3.0
MAX_KEY_SET = 64 * 1024  # bytes
ROW_ID = TypeAdapter[int](RowId)
NOT_VALID = "The token is not valid, or no longer valid."

Keys = Mapping[str, Ed25519PublicKey]


class UnknownKeyError(UnauthorizedError):
    """The token names a key that is not among those at hand."""


class TokenVerifier:
    """Verifies tokens: their algorithm, signature, issuer, audience, expiry and subject."""

    def __init__(self, issuer: str, audience: str, keys: Keys) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._verified = lru_cache(VERIFIED_TOKENS)(self._claims)

    async def caller_id(self, token: str) -> int:
        """Return the id that the token names, or raise UnauthorizedError."""
        return self._caller_id(token)

    def _caller_id(self, token: str) -> int:
        caller_id, expiry = self._verified(token)
        if expiry <= time.time() - CLOCK_SECONDS:
            raise UnauthorizedError(NOT_VALID)
        return caller_id

    def _claims(self, token: str) -> tuple[int, float]:
        """Return the id that the token names and its expiry."""
        try:
            claims = jwt.decode(
                token,
                self._key_of(token),
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                leeway=CLOCK_SECONDS,
                # A new token must be valid here even if this clock is behind its signer's.
                options={"require": ["exp", "iss", "aud", "sub"], "verify_iat": False},
            )
            return ROW_ID.validate_python(claims["sub"]), float(claims["exp"])
        except (jwt.PyJWTError, ValueError, OverflowError):
            raise UnauthorizedError(NOT_VALID) from None

    def _key_of(self, token: str) -> Ed25519PublicKey:
        """Return the key that the token names. Raise UnknownKeyError if it may exist elsewhere."""
        header = jwt.get_unverified_header(token)
        if header.get("alg") != ALGORITHM or not header.get("kid"):
            raise UnauthorizedError(NOT_VALID)
        key = self._keys.get(header["kid"])
        if key is None:
            raise UnknownKeyError(NOT_VALID)
        return key


class PublishedKeysVerifier(TokenVerifier):
    """Verifies tokens with the keys that are published at a URL (RFC 7517, section 5).

    The keys are fetched for the first token, in the background once they are old, and for a token
    that names an unknown key. All requests share one fetch, and two fetches have an interval
    between them: made-up key ids flood no publisher, and no token of a new key is refused. A fetch
    that fails changes nothing.
    """

    def __init__(self, issuer: str, audience: str, url: str) -> None:
        super().__init__(issuer, audience, {})
        self._url = url
        self._tls = ssl.create_default_context()
        self._fetched_at = float("-inf")
        self._refresh: asyncio.Task[None] | None = None

    async def caller_id(self, token: str) -> int:
        """Return the id that the token names, or raise UnauthorizedError.

        Raises:
            HTTPException: no key was ever fetched, so that no token can be verified.
        """
        if time.monotonic() - self._fetched_at >= KEYS_MAX_AGE:
            self._start_refresh()
        try:
            return self._caller_id(token)
        except UnknownKeyError:
            await asyncio.shield(self._start_refresh())  # others may wait for it too
            if not self._keys:
                detail = "Tokens cannot be verified at the moment."
                raise HTTPException(503, detail, RETRY_SOON) from None
            return self._caller_id(token)

    def _start_refresh(self) -> asyncio.Task[None]:
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.create_task(self._fetch())
        return self._refresh

    async def _fetch(self) -> None:
        await asyncio.sleep(self._fetched_at + FETCH_INTERVAL - time.monotonic())
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._take(_public_keys(await self._get()))
        except Exception as error:  # noqa: BLE001 - whatever it is, the keys at hand stay
            logger.warning("could not fetch the keys of tokens: %s", type(error).__name__)
        finally:
            self._fetched_at = time.monotonic()

    async def _get(self) -> bytes:
        """Return the body at the URL. A redirection is an error."""
        async with (
            httpx.AsyncClient(trust_env=False, verify=self._tls, timeout=FETCH_SECONDS) as client,
            client.stream("GET", self._url, headers={"Accept-Encoding": "identity"}) as answer,
        ):
            body = b""
            async for part in answer.raise_for_status().aiter_raw():
                body += part
                if len(body) > MAX_KEY_SET:
                    raise ValueError
            return body

    def _take(self, keys: Keys) -> None:
        if keys != self._keys:
            self._keys = keys
            self._verified.cache_clear()  # a withdrawn key proves nothing


def make_token_verifier(settings: CallerSettings) -> PublishedKeysVerifier | None:
    """Return the verifier of these settings, or None. Without keys a service knows no callers."""
    if settings.keys_url is None:
        prefix = settings.model_config["env_prefix"]
        logger.warning("%sKEYS_URL is not set: no caller is known, and everyone may write", prefix)
        return None
    return PublishedKeysVerifier(
        settings.token_issuer, settings.token_audience, str(settings.keys_url)
    )


def _public_keys(published: bytes) -> Keys:
    """Return the keys of a JWK Set that verify tokens here. Raise an error if there is none."""
    keys = {
        key.key_id: key.key
        for key in jwt.PyJWKSet.from_json(published.decode())
        if key.key_id
        and key.public_key_use in {None, "sig"}
        and isinstance(key.key, Ed25519PublicKey)
    }
    if not keys:
        raise ValueError
    return keys
