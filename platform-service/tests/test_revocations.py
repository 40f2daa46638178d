"""Signing out: which sessions a token ends (RFC 7009)."""

import httpx
import pytest
from conftest import User, delete
from refreshing import assert_ended, next_of, revoke, tokens_of

from chassis_testing.fixtures import Server
from chassis_testing.hostile import FORM, JSON
from chassis_testing.problem import assert_problem, assert_refused
from platform_service import keys


def test_revoking_ends_the_session_of_the_token_and_no_other(
    client: httpx.Client, ann: User, bob: User, token: str
) -> None:
    others = [tokens_of(client, user)["refresh_token"] for user in (ann, bob)]
    second = next_of(client, token)
    for _ in range(2):
        answer = revoke(client, second, token_type_hint="refresh_token")
        assert (answer.status_code, answer.content) == (200, b"")
    assert_ended(client, token, second)
    for other in others:
        assert next_of(client, other)


def test_revoking_all_ends_every_session_of_the_user(
    client: httpx.Client, ann: User, bob: User, token: str
) -> None:
    own, other = (tokens_of(client, user)["refresh_token"] for user in (ann, bob))
    for _ in range(2):
        assert revoke(client, token, all="true").status_code == 200
    assert_ended(client, token, own)
    assert next_of(client, other)


def test_a_used_token_ends_its_session_too(client: httpx.Client, token: str) -> None:
    second = next_of(client, token)
    assert revoke(client, token).status_code == 200
    assert_ended(client, second)


def test_an_access_token_ends_every_session_of_its_user(
    client: httpx.Client, ann: User, bob: User, token: str
) -> None:
    other = tokens_of(client, bob)["refresh_token"]
    own = tokens_of(client, ann)
    assert revoke(client, own["access_token"], all="true").status_code == 200
    assert_ended(client, token, own["refresh_token"])
    assert next_of(client, other)


def test_revoking_what_names_no_session_changes_nothing(
    client: httpx.Client, server: Server, ann: User, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    access_token = tokens_of(client, ann)["access_token"]
    monkeypatch.setattr(keys, "TOKEN_SECONDS", -60)
    expired = server[0].state.keys.sign(ann.id)
    for other in (expired, access_token + "x", "x", token + "x"):
        assert revoke(client, other, all="true").status_code == 200
    assert revoke(client, access_token, token_type_hint="access_token").status_code == 200
    headers = {"Authorization": f"Bearer {access_token}"}
    assert client.get("/users/me", headers=headers).status_code == 200
    assert next_of(client, token)


def test_an_access_token_of_a_deleted_user_is_revoked_like_any_other(
    client: httpx.Client, ann: User
) -> None:
    access_token = tokens_of(client, ann)["access_token"]
    assert delete(client, ann).status_code == 204
    assert revoke(client, access_token, all="true").status_code == 200


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"all=true", "token"),
        (b"token=&all=true", "token"),
        (b"token=a&all=maybe", "all"),
        (b"token=a&all=1", "all"),
    ],
)
def test_a_wrong_form_of_a_revocation_is_refused(
    client: httpx.Client, content: bytes, field: str
) -> None:
    answer = client.post("/auth/revoke", content=content, headers=FORM)
    assert_refused(answer, "body", field, more=["error"])
    assert answer.json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"token=a&token=a", FORM, 400),
        (b"token=%ff", FORM, 400),
        (b'{"token": "a"}', JSON, 415),
        (b"token=" + b"a" * 17_000, FORM, 413),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_revocation_that_cannot_be_read_is_refused(
    client: httpx.Client, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/auth/revoke", content=content, headers=headers)
    assert assert_problem(answer, status, "error")["error"] == "invalid_request"
