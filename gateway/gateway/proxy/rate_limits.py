"""Rate limits by client and path, in fixed windows that begin with a client's first request.

Responses carry RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10).
"""

from collections.abc import Sequence
from math import ceil
from urllib.parse import unquote

from prometheus_client import Counter

from chassis.addresses import counted_as
from gateway.config import Settings
from gateway.http1 import Headers
from gateway.problems import Problem
from gateway.proxy.rate_limit_stores import MemoryStore, SharedStore
from gateway.routes import RateLimitRule


class RateLimiter:
    """Counts requests by client under the rule of their path, here or in a shared store.

    Raises:
        ValueError: the store's URL is invalid.
    """

    def __init__(
        self, settings: Settings, rules: Sequence[RateLimitRule], failures: Counter
    ) -> None:
        self._rules = {(rule.method, _plain(rule.path)): rule for rule in rules}
        self._elsewhere = self._rules.get((None, "*"))
        url = settings.rate_limit_store
        self._store = MemoryStore() if url.startswith("memory:") else SharedStore(url, failures)

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
        return _fields_or_refusal(rule, *await self._store.hit(key, rule.limit.seconds))


def _fields_or_refusal(rule: RateLimitRule, count: int, seconds_left: float) -> Headers:
    name, (quota, seconds), reset = rule.name.encode(), rule.limit, max(1, ceil(seconds_left))
    fields = [
        (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (name, quota, seconds)),
        (b"ratelimit", b'"%b";r=%d;t=%d' % (name, max(0, quota - count), reset)),
    ]
    if count > quota:
        detail = "There were too many requests; try again later."
        raise Problem(429, detail, *fields, (b"retry-after", b"%d" % reset))
    return fields


def _plain(path: str) -> str:
    """Return a path as the services decode it, without a slash at its end."""
    return (unquote(path) if "%" in path else path).rstrip("/")
