"""Liveness and readiness."""

import httpx
from support.deployment import SERVICES

from chassis_testing.waiting import until

ALL_UP = {"status": "up", "checks": dict.fromkeys(SERVICES, "up")}


def test_the_gateway_is_alive_and_ready_and_lists_each_upstream(api: httpx.Client) -> None:
    alive, ready = api.get("/livez"), api.get("/readyz")
    assert alive.json() == {"status": "up"}
    assert ready.status_code == 200
    assert alive.headers["cache-control"] == ready.headers["cache-control"] == "no-store"
    # A service that answers late, on a machine that does much else, is down for a moment.
    until(lambda: api.get("/readyz").json() == ALL_UP, "readiness of all")
