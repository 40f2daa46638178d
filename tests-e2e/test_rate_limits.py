"""Rate limits of a deployment as shipped."""

import httpx
from support.api import PASSWORD, new_email, sign_in
from support.deployment import Containers


def test_rates_are_limited_unless_switched_off(containers: Containers, api: httpx.Client) -> None:
    containers.compose("up", "--wait", "--no-deps", "gateway", GATEWAY_RATE_LIMIT="on")
    try:
        email = new_email()
        assert 429 in {sign_in(api, email).status_code for _ in range(25)}
        fields = {"username": email, "password": PASSWORD}
        forged = ({"X-Forwarded-For": f"203.0.113.{number}"} for number in range(25))
        answers = [api.post("/auth/token", data=fields, headers=headers) for headers in forged]
        assert 429 in {answer.status_code for answer in answers}
    finally:
        containers.up("--no-deps", "gateway")
