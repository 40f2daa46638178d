"""Steps that the tests of sessions take as clients."""

from typing import Any

import httpx
from conftest import User, sign_in

from chassis_testing.problem import assert_problem

NOT_VALID = "The refresh token is not valid, or no longer valid."


def tokens_of(client: httpx.Client, user: User) -> dict[str, Any]:
    """Return the tokens of a new session."""
    answer = sign_in(client, user.email)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def refresh(client: httpx.Client, token: str) -> httpx.Response:
    """Return the answer to a refresh."""
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return client.post("/auth/token", data=form)


def next_of(client: httpx.Client, token: str) -> str:
    """Return the token that follows."""
    answer = refresh(client, token)
    assert answer.status_code == 200, answer.text
    following: str = answer.json()["refresh_token"]
    return following


def revoke(client: httpx.Client, token: str, **more: str) -> httpx.Response:
    """Return the answer to a revocation."""
    return client.post("/auth/revoke", data={"token": token, **more})


def assert_ended(client: httpx.Client, *tokens: str) -> None:
    """Check that no token refreshes anything any more."""
    for token in tokens:
        problem = assert_problem(refresh(client, token), 400, "error")
        assert (problem["error"], problem["detail"]) == ("invalid_grant", NOT_VALID)
