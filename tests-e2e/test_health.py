"""Liveness and readiness."""

import httpx


def test_the_gateway_is_alive_and_ready_and_lists_each_upstream(api: httpx.Client) -> None:
    alive, ready = api.get("/livez"), api.get("/readyz")
    assert alive.json() == {"status": "up"}
    checks = {"blog-service": "up", "platform-service": "up"}
    assert ready.json() == {"status": "up", "checks": checks}
    assert alive.headers["cache-control"] == ready.headers["cache-control"] == "no-store"
