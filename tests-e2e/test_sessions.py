"""Staying signed in, through the gateway: refresh, sign out, and a token that was stolen."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support.api import Json, User, new_user, sign_in
from support.deployment import Containers

from chassis_testing.waiting import until


def refresh(api: httpx.Client, token: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return api.post("/auth/token", data=form)


def refreshed(api: httpx.Client, token: str) -> Json:
    answer = refresh(api, token)
    assert answer.status_code == 200, answer.text
    pair: Json = answer.json()
    return pair


def first_token(api: httpx.Client, user: User) -> str:
    token: str = sign_in(api, user.email).json()["refresh_token"]
    return token


def assert_ended(api: httpx.Client, *tokens: str) -> None:
    for token in tokens:
        answer = refresh(api, token)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_user_stays_signed_in_without_a_password(api: httpx.Client, ada: User) -> None:
    pair = sign_in(api, ada.email).json()
    assert pair["refresh_expires_in"] == 30 * 24 * 3600
    for _ in range(3):
        answer = refresh(api, pair["refresh_token"])
        assert answer.headers["cache-control"] == "no-store"
        pair = answer.json()
        auth = {"Authorization": f"Bearer {pair['access_token']}"}
        assert api.get("/users/me", headers=auth).json()["id"] == ada.id
        assert api.post("/posts/", json={"title": "Still here"}, headers=auth).status_code == 201


def test_two_tabs_that_refresh_at_once_both_stay_signed_in(api: httpx.Client, ada: User) -> None:
    token = first_token(api, ada)
    with ThreadPoolExecutor(2) as tabs:
        pairs = list(tabs.map(lambda _: refreshed(api, token), range(2)))
    for pair in pairs:
        assert refreshed(api, pair["refresh_token"])


def test_signing_out_ends_one_session_or_all(api: httpx.Client, ada: User, bob: User) -> None:
    phone, tablet, laptop = (first_token(api, ada) for _ in range(3))
    other = first_token(api, bob)
    answer = api.post("/auth/revoke", data={"token": phone})
    assert (answer.status_code, answer.content) == (200, b"")
    assert_ended(api, phone)
    tablet = refreshed(api, tablet)["refresh_token"]
    assert api.post("/auth/revoke", data={"token": tablet, "all": "true"}).status_code == 200
    assert_ended(api, tablet, laptop)
    assert refreshed(api, other)


@pytest.mark.parametrize("token", ["x", "\0", "é" * 100, "A" * 43])
def test_a_token_that_nobody_has_is_refused_and_may_be_revoked(
    api: httpx.Client, token: str
) -> None:
    assert_ended(api, token)
    assert api.post("/auth/revoke", data={"token": token}).status_code == 200


def fail_until_refused(api: httpx.Client, email: str) -> None:
    """Try wrong passwords until one has to wait, as it must after some that are free."""
    answers = [sign_in(api, email, "wrong password") for _ in range(10)]
    assert {answer.status_code for answer in answers} == {401}
    # The wait doubles with each one that comes too late to be refused.
    while (answer := sign_in(api, email, "wrong password")).status_code == 401:
        pass
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_three_replicas_share_sessions_and_wrong_passwords(
    containers: Containers, api: httpx.Client, crowd: httpx.Client
) -> None:
    containers.up("--no-recreate", "--scale", "platform-service=3")
    try:
        user = new_user(api)
        token = first_token(api, user)
        with ThreadPoolExecutor(30) as clients:
            pairs = list(clients.map(lambda _: refreshed(crowd, token), range(30)))
            tokens = [pair["refresh_token"] for pair in pairs]
            assert len(set(tokens)) == 30
            pairs = list(clients.map(lambda one: refreshed(crowd, one), tokens))
        fail_until_refused(api, user.email)
        assert refreshed(api, pairs[0]["refresh_token"])
        until(lambda: sign_in(api, user.email).status_code == 200, "a sign-in")
    finally:
        containers.up("--scale", "platform-service=1")


def test_wrong_passwords_wait_whether_anybody_has_the_account(api: httpx.Client, ada: User) -> None:
    for email in (ada.email, f"nobody.{ada.email}"):
        fail_until_refused(api, email)
