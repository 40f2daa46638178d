"""Bearer tokens (RFC 6750), verified with the keys that the platform publishes (RFC 7517)."""

import asyncio
import time
from functools import lru_cache

import jwt

from chassis.errors import NEEDS_TOKEN
from gateway.config import Settings
from gateway.fetch import fetch
from gateway.problems import RETRY_SOON, Problem

KEYS_MAX_AGE = 300.0  # seconds until the keys are fetched again in the background
REFRESH_INTERVAL = 2.0  # seconds between two fetches, whatever key ids the tokens name
FETCH_TIMEOUT = 3.0
VERIFIED_TOKENS = 10_000


class Unauthorized(Problem):
    """The request needs a valid token. The detail repeats no part of the one sent."""

    def __init__(self, detail: str) -> None:
        super().__init__(401, detail, (b"www-authenticate", b"Bearer"))


class UnknownKey(Unauthorized):
    """The token names a key that was not among the published keys."""


class TokenVerifier:
    """Verifies bearer tokens: their algorithm, signature, issuer, audience and expiry.

    A token with an unknown key id makes the gateway fetch the keys again. All requests share one
    fetch, and two fetches have an interval between them, so that made-up key ids cannot flood
    the platform.
    """

    def __init__(self, settings: Settings, jwks_url: str) -> None:
        self._settings = settings
        self._jwks_url = jwks_url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._asked_at = float("-inf")
        self._refresh: asyncio.Task[None] | None = None
        self._expiry = lru_cache(VERIFIED_TOKENS)(self._verified_expiry)

    async def verify(self, authorization: bytes | None) -> None:
        """Raise a Problem unless the Authorization header has a valid token.

        Raises:
            Unauthorized: there is no token or it is not valid.
            Problem: no key was ever fetched, so that no token can be verified.
        """
        token = _bearer_token(authorization)
        if time.monotonic() - self._asked_at > KEYS_MAX_AGE:
            self._start_refresh()
        try:
            expiry = self._expiry(token)
        except UnknownKey:
            await asyncio.shield(self._start_refresh())  # others may wait for it too
            if not self._keys:
                raise Problem(503, "Tokens cannot be checked at the moment.", RETRY_SOON) from None
            expiry = self._expiry(token)
        if expiry <= time.time():
            raise Unauthorized("The token has expired.")

    def _verified_expiry(self, token: bytes) -> float:
        try:
            claims = jwt.decode(
                token,
                self._keys[jwt.get_unverified_header(token)["kid"]],
                algorithms=["EdDSA"],
                issuer=self._settings.token_issuer,
                audience=self._settings.token_audience,
                # A new token must be valid here even if this clock is behind the platform's.
                options={"require": ["exp", "iss", "aud"], "verify_iat": False},
            )
            return float(claims["exp"])
        except KeyError:
            raise UnknownKey("The token is not valid.") from None
        except jwt.ExpiredSignatureError:
            raise Unauthorized("The token has expired.") from None
        except (jwt.PyJWTError, OverflowError):
            raise Unauthorized("The token is not valid.") from None

    def _start_refresh(self) -> asyncio.Task[None]:
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.create_task(self._fetch())
        return self._refresh

    async def _fetch(self) -> None:
        await asyncio.sleep(self._asked_at + REFRESH_INTERVAL - time.monotonic())
        self._asked_at = time.monotonic()
        await fetch(self._jwks_url, self._take, FETCH_TIMEOUT)

    def _take(self, published: bytes) -> None:
        keys = jwt.PyJWKSet.from_json(published.decode())
        self._keys = {key.key_id: key for key in keys}
        self._expiry.cache_clear()  # a withdrawn key proves nothing


def _bearer_token(authorization: bytes | None) -> bytes:
    scheme, _, token = (authorization or b"").partition(b" ")
    if scheme.lower() != b"bearer" or not (token := token.strip()):
        raise Unauthorized(NEEDS_TOKEN)
    return token
