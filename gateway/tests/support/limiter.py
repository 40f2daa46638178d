"""Rate limiters without a gateway."""

import asyncio

from gateway.config import Settings
from gateway.http1 import Headers
from gateway.metrics import Metrics
from gateway.problems import Problem
from gateway.proxy.rate_limits import RateLimiter
from gateway.routes import RateLimitRule, load_routes

SHIPPED = load_routes(Settings().routes_file).rate_limits


def limiter(*rules: RateLimitRule, store: str = "memory://") -> RateLimiter:
    failures = Metrics().store_failures
    return RateLimiter(Settings(rate_limit_store=store), rules or SHIPPED, failures)


Answer = Headers | Problem


async def check(one: RateLimiter, method: str, path: str, client: str = "192.0.2.1") -> Answer:
    try:
        return await one.check(method, path, client)
    except Problem as refusal:
        return refusal


def ask(
    one: RateLimiter, times: int, method: str, path: str, client: str = "192.0.2.1"
) -> list[Answer]:
    async def story() -> list[Answer]:
        answers = [await check(one, method, path, client) for _ in range(times)]
        await one.close()
        return answers

    return asyncio.run(story())


def allowed(answers: list[Answer]) -> int:
    return sum(isinstance(answer, list) for answer in answers)


def fields(answer: Answer) -> Headers:
    return list(answer.headers) if isinstance(answer, Problem) else answer


def seconds_to_wait(answer: Answer) -> int:
    return int(dict(fields(answer))[b"retry-after"])
