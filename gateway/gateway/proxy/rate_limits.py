"""Rate limits by client and path, in fixed windows that begin with a client's first request.

Responses carry RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10).
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address, IPv6Network
from math import ceil
from urllib.parse import unquote

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.config import Settings
from gateway.http1 import Headers
from gateway.problems import Problem
from gateway.routes import RateLimitRule

logger = logging.getLogger(__name__)

MAX_WINDOWS = 50_000  # about 15 MB; beyond that the oldest window is forgotten
STORE_TIMEOUT = 0.25  # seconds that a request waits for the shared store
STORE_PAUSE = 1.0  # seconds without limits after the shared store has not answered


class MemoryStore:
    """Windows in this process, in the order of their beginnings.

    Their number is bounded, and a request costs the same at any number.
    """

    def __init__(self) -> None:
        self._windows: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def hit(self, key: str, period: int) -> tuple[int, float]:
        """Count a request; return the window's count and the seconds to its end."""
        now = time.monotonic()
        count, end = self._windows.get(key, (0, 0.0))
        if end <= now:
            count, end = 0, now + period
            self._windows.pop(key, None)
            if len(self._windows) >= MAX_WINDOWS:
                self._windows.popitem(last=False)
        self._windows[key] = (count + 1, end)
        return count + 1, end - now

    async def close(self) -> None:
        """Do nothing."""


class SharedStore:
    """Windows in a Redis or Valkey that several gateways share; a request is one round trip."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url)
        self._resume_at = 0.0

    async def hit(self, key: str, period: int) -> tuple[int, float] | None:
        """Count a request likewise, or return None if the store does not answer.

        After that it is left alone for a second.
        """
        if time.monotonic() < self._resume_at:
            return None
        try:
            async with asyncio.timeout(STORE_TIMEOUT), self._redis.pipeline() as window:
                window.set(key, 0, ex=period, nx=True)
                window.incr(key)
                window.pttl(key)
                _, count, milliseconds = await window.execute()
            return count, milliseconds / 1000
        except (RedisError, TimeoutError, OSError) as error:
            if time.monotonic() >= self._resume_at:  # one line for all requests that waited
                logger.warning("the store of rate limits does not answer: %s", type(error).__name__)
            self._resume_at = time.monotonic() + STORE_PAUSE
            return None

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


class RateLimiter:
    """Counts requests by client under the rule of their path, here or in a shared store.

    Raises:
        ValueError: the store's URL is invalid.
    """

    def __init__(self, settings: Settings, rules: Sequence[RateLimitRule]) -> None:
        self._rules = {(rule.method, _plain(rule.path)): rule for rule in rules}
        self._elsewhere = self._rules.get((None, "*"))
        url = settings.rate_limit_store
        self._store = MemoryStore() if url.startswith("memory:") else SharedStore(url)

    async def close(self) -> None:
        """Close the connections to a shared store."""
        await self._store.close()

    async def check(self, method: str, path: str, client: str) -> Headers:
        """Count a request; return the header fields that tell its client what remains.

        The path has no query; the client is an address.

        Raises:
            Problem: 429, the quota is used up.
        """
        rules, path = self._rules, _plain(path)
        rule = rules.get((method, path)) or rules.get((None, path)) or self._elsewhere
        if rule is None:
            return []
        key = f"LIMITS:{rule.name} {counted_as(client)}"
        window = await self._store.hit(key, rule.limit.seconds)
        return _judge(rule, *window) if window else []


def _judge(rule: RateLimitRule, count: int, seconds_left: float) -> Headers:
    name, (quota, seconds), reset = rule.name.encode(), rule.limit, max(1, ceil(seconds_left))
    fields = [
        (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (name, quota, seconds)),
        (b"ratelimit", b'"%b";r=%d;t=%d' % (name, max(0, quota - count), reset)),
    ]
    if count > quota:
        detail = "There were too many requests; try again later."
        raise Problem(429, detail, *fields, (b"retry-after", b"%d" % reset))
    return fields


@lru_cache(maxsize=10_000)
def counted_as(client: str) -> str:
    """Return the address that a client is counted under: of IPv6 its /64 or its IPv4 address."""
    try:
        address = IPv6Address(client)
    except AddressValueError:
        return client
    return str(address.ipv4_mapped or IPv6Network((int(address), 64), strict=False))


def _plain(path: str) -> str:
    """Return a path as the services read it, without a slash at its end."""
    return (unquote(path) if "%" in path else path).rstrip("/")
