"""Bearer tokens (RFC 6750), verified with the keys that the platform publishes (RFC 7517)."""

import asyncio
import time
from functools import lru_cache

import httpx
import jwt

from gateway.config import Settings
from gateway.problems import RETRY_SOON, Problem
from gateway.services import fetch

KEYS_MAX_AGE = 300.0  # seconds until the keys are fetched anew in the background
REFRESH_INTERVAL = 2.0  # seconds between two fetches, whatever key ids are asked for
FETCH_TIMEOUT = 3.0
VERIFIED_TOKENS = 10_000


class Unauthorized(Problem):
    """The request needs a valid token; the detail echoes nothing sent."""

    def __init__(self, detail: str) -> None:
        super().__init__(401, detail, (b"www-authenticate", b"Bearer"))


class UnknownKey(Unauthorized):
    """The token names a key that was not published when the keys were fetched."""


class TokenVerifier:
    """Verifies bearer tokens: algorithm, signature, issuer, audience and expiry are pinned.

    An unknown key id fetches the keys anew. All requests share one fetch, and one that comes
    too soon after the last waits its turn, so that made-up key ids are no amplifier.
    """

    def __init__(self, settings: Settings, client: httpx.AsyncClient, jwks_url: str) -> None:
        self._settings = settings
        self._client = client
        self._jwks_url = jwks_url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._asked_at = float("-inf")
        self._refresh: asyncio.Task[None] | None = None
        self._expiry = lru_cache(VERIFIED_TOKENS)(self._verified_expiry)

    async def verify(self, authorization: bytes | None) -> None:
        """Return when the Authorization header has a valid token, at once if its key is known.

        Raises:
            Unauthorized: there is no token or it is not valid.
            Problem: no key was ever fetched, so that no token can be judged.
        """
        token = _bearer_token(authorization)
        if time.monotonic() - self._asked_at > KEYS_MAX_AGE:
            self._start_refresh()
        try:
            expiry = self._expiry(token)
        except UnknownKey:
            await asyncio.shield(self._start_refresh())  # it goes on for others if this one leaves
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
                # A clock that runs behind the platform's must not refuse a new token.
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
        await fetch(self._client, self._jwks_url, FETCH_TIMEOUT, self._take)

    def _take(self, published: bytes) -> None:
        keys = jwt.PyJWKSet.from_json(published.decode())
        self._keys = {key.key_id: key for key in keys}
        self._expiry.cache_clear()  # a key that was withdrawn vouches for nothing


def _bearer_token(authorization: bytes | None) -> bytes:
    scheme, _, token = (authorization or b"").partition(b" ")
    if scheme.lower() != b"bearer" or not (token := token.strip()):
        raise Unauthorized("This needs a bearer token: sign in and send it along.")
    return token
