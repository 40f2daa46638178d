"""One account for an e-mail, and accounts that are no longer active."""

from concurrent.futures import ThreadPoolExecutor

import httpx
from support.api import new_email, new_user, sign_in, sign_up, write_post
from support.deployment import Containers


def test_a_registered_email_is_409_in_any_letter_case(api: httpx.Client) -> None:
    email = new_email()
    assert sign_up(api, email).status_code == 201
    for again in (email, email.upper(), email.title()):
        answer = sign_up(api, again)
        assert answer.status_code == 409
        assert again not in answer.text


def test_twenty_sign_ups_at_once_with_the_same_email_make_one_user(api: httpx.Client) -> None:
    email = new_email()
    emails = [email, email.upper()] * 10
    with ThreadPoolExecutor(20) as clients:
        statuses = sorted(clients.map(lambda e: sign_up(api, e).status_code, emails))
    assert statuses == [201] + [409] * 19


def test_an_inactive_user_cannot_sign_in_and_their_token_stops(
    containers: Containers, api: httpx.Client
) -> None:
    user = new_user(api)
    sql = f"UPDATE users SET is_active = false WHERE id = {user.id}"
    psql = ("psql", "--username", "postgres", "--dbname", "platform", "--command", sql)
    assert "UPDATE 1" in containers.compose("exec", "-T", "platform-db", *psql)
    inactive, mistaken = sign_in(api, user.email), sign_in(api, user.email, "wrong password")
    assert inactive.status_code == mistaken.status_code == 401
    assert inactive.json() | {"request_id": ""} == mistaken.json() | {"request_id": ""}
    assert api.get("/users/me", headers=user.auth).status_code == 401
    assert api.get("/articles/", headers=user.auth).status_code == 401
    assert write_post(api, user)  # the gateway accepts the token until it expires
