"""A server of keys, and the verifier of tokens that asks it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from gateway.config import Settings
from gateway.proxy.tokens import TokenVerifier, Unauthorized
from support.services import Served, SigningKey
from support.waiting import PATIENCE


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
