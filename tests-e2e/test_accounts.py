"""One account for an e-mail, and accounts that change, end, or are no longer active."""

from concurrent.futures import ThreadPoolExecutor

import httpx
from support.api import (
    PASSWORD,
    User,
    new_email,
    new_user,
    sign_in,
    sign_up,
    write_article,
    write_post,
)
from support.deployment import Containers


def test_a_registered_email_is_409_in_any_letter_case(api: httpx.Client) -> None:
    email = new_email()
    assert sign_up(api, email).status_code == 201
    for again in (email, email.upper(), email.title()):
        answer = sign_up(api, again)
        assert answer.status_code == 409
        assert again not in answer.text


def test_twenty_sign_ups_at_once_with_the_same_email_make_one_user(crowd: httpx.Client) -> None:
    email = new_email()
    emails = [email, email.upper()] * 10
    with ThreadPoolExecutor(20) as clients:
        statuses = sorted(clients.map(lambda e: sign_up(crowd, e).status_code, emails))
    assert statuses == [201] + [409] * 19


def test_an_inactive_user_cannot_sign_in_and_their_token_stops(
    containers: Containers, api: httpx.Client
) -> None:
    user = new_user(api)
    users = ("exec", "-T", "platform-service", "python", "-m", "platform_service.users")
    assert f" {user.email} " in containers.compose(*users, "list")
    said = containers.compose(*users, "deactivate", user.email.upper())
    assert said.startswith(f"User {user.id} is inactive")
    inactive, mistaken = sign_in(api, user.email), sign_in(api, user.email, "wrong password")
    assert inactive.status_code == mistaken.status_code == 401
    assert inactive.json() | {"request_id": ""} == mistaken.json() | {"request_id": ""}
    assert api.get("/users/me", headers=user.auth).status_code == 401
    assert api.get("/articles/", headers=user.auth).status_code == 401
    assert write_post(api, user)  # blog-service accepts the token until it expires
    assert "is active" in containers.compose(*users, "activate", user.email)
    assert sign_in(api, user.email).status_code == 200


def test_a_user_changes_email_and_password_with_the_current_one(api: httpx.Client) -> None:
    user, email = new_user(api), new_email()
    body = {"current_password": user.password, "email": email, "password": "battery staple"}
    wrong = body | {"current_password": "wrong password"}
    assert api.patch("/users/me", json=wrong, headers=user.auth).status_code == 403
    changed = api.patch("/users/me", json=body, headers=user.auth)
    assert (changed.status_code, changed.json()["email"]) == (200, email)
    assert sign_in(api, email, "battery staple").status_code == 200
    assert sign_in(api, email).status_code == sign_in(api, user.email).status_code == 401


def test_a_user_deletes_the_account_and_every_article_and_not_the_posts(
    api: httpx.Client, bob: User
) -> None:
    user = new_user(api)
    article = write_article(api, user, is_published=True)
    post = write_post(api, user, published=True)

    def leave(password: str, auth: dict[str, str]) -> int:
        body = {"current_password": password}
        return api.request("DELETE", "/users/me", json=body, headers=auth).status_code

    assert (leave("wrong password", user.auth), leave(PASSWORD, {})) == (403, 401)
    assert api.get(f"/articles/{article['id']}").status_code == 200
    assert (leave(PASSWORD, user.auth), leave(PASSWORD, user.auth)) == (204, 401)
    assert sign_in(api, user.email).status_code == 401
    assert api.get(f"/users/{user.id}", headers=bob.auth).status_code == 404
    assert api.get(f"/articles/{article['id']}").status_code == 404
    assert api.get(f"/posts/{post['id']}").status_code == 200
    again = sign_up(api, user.email)
    assert again.json()["id"] > user.id
