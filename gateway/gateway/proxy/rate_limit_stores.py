"""The stores of rate limits' windows: this process, or one that several gateways share."""

import asyncio
import logging
import time
from collections import OrderedDict

from prometheus_client import Counter
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from chassis.logs import Reminder

logger = logging.getLogger(__name__)

MAX_WINDOWS = 50_000  # about 15 MB; beyond that the oldest window is forgotten
STORE_TIMEOUT = 0.25  # seconds that a request waits for the shared store
STORE_PAUSE = 1.0  # seconds until a store that failed is asked again


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
    """Windows in a Redis or Valkey that several gateways share; a request is one round trip.

    While the store fails, in whatever way, requests are counted in this process, and one of them
    a second asks the store again.
    """

    def __init__(self, url: str, failures: Counter) -> None:
        # Without a wait: a request has less time than the library would let pass between two tries.
        self._redis = Redis.from_url(url, retry=Retry(NoBackoff(), 1))
        self._here = MemoryStore()
        self._failures = failures
        self._resume_at = 0.0  # 0 while the store answers
        self._reminder = Reminder()

    async def hit(self, key: str, period: int) -> tuple[int, float]:
        """Count a request; return the window's count and the seconds to its end."""
        if self._may_ask():
            try:
                async with asyncio.timeout(STORE_TIMEOUT):
                    window = await self._ask(key, period)
            except Exception as error:  # noqa: BLE001 - the library raises any on a bad answer
                self._fail(error)
            else:
                self._resume_at = 0.0
                return window
        return await self._here.hit(key, period)

    async def _ask(self, key: str, period: int) -> tuple[int, float]:
        try:
            async with self._redis.pipeline() as window:
                window.set(key, 0, ex=period, nx=True)
                window.incr(key)
                window.pttl(key)
                _, count, milliseconds = await window.execute()
            return _window(count, milliseconds, period)
        except Exception:
            await self._redis.connection_pool.disconnect(inuse_connections=False)
            raise

    def _may_ask(self) -> bool:
        now = time.monotonic()
        if now < self._resume_at:
            return False
        if self._resume_at:
            self._resume_at = now + STORE_PAUSE  # for all requests but this one
        return True

    def _fail(self, error: Exception) -> None:
        self._failures.inc()
        self._resume_at = time.monotonic() + STORE_PAUSE
        if self._reminder.is_due():
            kind = type(error).__name__
            logger.warning("the store of rate limits fails: %s; requests are counted here", kind)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


def _window(count: int, milliseconds: int, period: int) -> tuple[int, float]:
    """Return the store's window. What is no window raises an error of whatever kind."""
    if min(count, milliseconds) < 0:
        raise ValueError  # a window without an end
    return count, min(milliseconds / 1000, period)
