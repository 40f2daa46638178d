"""Rate limits by client and route, in fixed windows that begin with a client's first request.

Answers carry RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10).
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

from gateway.config import RateLimitRule, Settings
from gateway.problems import Headers, Problem

logger = logging.getLogger(__name__)

MAX_WINDOWS = 50_000  # about 15 MB; beyond it the oldest window is forgotten
STORE_TIMEOUT = 0.25  # seconds that a request waits for the shared store
STORE_PAUSE = 1.0  # seconds without limits after the shared store did not answer


class MemoryStore:
    """Windows in this process, in the order in which they began.

    The library's memory storage looks through all its keys at each request, so that a flood of
    addresses stops it; this one costs the same at any size, and its size is bounded.
    """

    def __init__(self) -> None:
        self._windows: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def hit(self, key: str, period: int) -> tuple[int, float]:
        """Count a request; return the window's count and the seconds until it ends."""
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
    """Windows in a Redis or Valkey that several gateways use; a request costs one round trip."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url)
        self._resume_at = 0.0

    async def hit(self, key: str, period: int) -> tuple[int, float] | None:
        """Count like the other store; None if there is no answer, and for a second after that."""
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
            if time.monotonic() >= self._resume_at:  # one line for all that waited
                logger.warning("rate limit store does not answer: %s", type(error).__name__)
            self._resume_at = time.monotonic() + STORE_PAUSE
            return None

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


class RateLimiter:
    """Counts requests by client against the rule of their route, here or in the store by URL.

    Raises:
        ValueError: the URL is of no known kind.
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

        The path is without its query, the client an address.

        Raises:
            Problem: 429, there were too many.
        """
        rules, path = self._rules, _plain(path)
        rule = rules.get((method, path)) or rules.get((None, path)) or self._elsewhere
        if rule is None:
            return []
        key = f"LIMITS:{rule.name} {counted_as(client)}"
        window = await self._store.hit(key, rule.limit.get_expiry())
        return _judged(rule, *window) if window else []


def _judged(rule: RateLimitRule, count: int, seconds_left: float) -> Headers:
    name, quota, reset = rule.name.encode(), rule.limit.amount, max(1, ceil(seconds_left))
    fields = [
        (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (name, quota, rule.limit.get_expiry())),
        (b"ratelimit", b'"%b";r=%d;t=%d' % (name, max(0, quota - count), reset)),
    ]
    if count > quota:
        detail = "There were too many requests; try again later."
        raise Problem(429, detail, *fields, (b"retry-after", b"%d" % reset))
    return fields


@lru_cache(maxsize=10_000)
def counted_as(client: str) -> str:
    """Return what an address counts as: of IPv6 its /64, or the IPv4 address that it maps."""
    try:
        address = IPv6Address(client)
    except AddressValueError:
        return client
    return str(address.ipv4_mapped or IPv6Network((int(address), 64), strict=False))


def _plain(path: str) -> str:
    """Return a path as the services read it, without a slash at its end."""
    return (unquote(path) if "%" in path else path).rstrip("/")
