"""Rate limits of a deployment as shipped."""

import httpx
from support.api import PASSWORD, new_email, sign_in
from support.deployment import Containers


def is_over_the_rate(answer: httpx.Response) -> bool:
    """Return whether the gateway refuses the request. The platform refuses some passwords, too."""
    return answer.status_code == 429 and ";r=0;" in answer.headers["RateLimit"]


def test_rates_are_limited_unless_switched_off(containers: Containers, api: httpx.Client) -> None:
    containers.compose("up", "--wait", "--no-deps", "gateway", GATEWAY_RATE_LIMIT="on")
    try:
        email = new_email()
        assert any(is_over_the_rate(sign_in(api, email)) for _ in range(25))
        fields = {"username": email, "password": PASSWORD}
        forged = ({"X-Forwarded-For": f"203.0.113.{number}"} for number in range(25))
        answers = [api.post("/auth/token", data=fields, headers=headers) for headers in forged]
        assert any(is_over_the_rate(answer) for answer in answers)
    finally:
        containers.up("--no-deps", "gateway")
