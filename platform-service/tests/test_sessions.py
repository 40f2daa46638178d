"""Staying signed in: refresh tokens, their families, and how these end."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import pytest
from conftest import User, sign_in
from refreshing import assert_ended, next_of, refresh, revoke, tokens_of

from chassis_testing.fixtures import Sql, Statements
from chassis_testing.hostile import FORM
from chassis_testing.problem import CANARY, assert_problem
from platform_service import sessions
from platform_service.passwords import verify_password

MONTH = 30 * 24 * 3600
GRACE = 1000  # seconds in these tests, since a slow machine may take longer than ten


def at_once(*calls: Callable[[], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


@pytest.fixture(autouse=True)
def long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    assert timedelta(seconds=10) == sessions.GRACE
    monkeypatch.setattr(sessions, "GRACE", timedelta(seconds=GRACE))


@pytest.fixture
def shift(sql: Sql) -> Callable[..., None]:
    """Sets a time of every refresh token to some seconds from now."""

    def set_time(**seconds: float) -> None:
        for column, distance in seconds.items():
            moment = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=distance)
            value = moment.isoformat(" ", "microseconds")
            only_used = "WHERE used_at IS NOT NULL" if column == "used_at" else ""
            sql(f"UPDATE refresh_tokens SET {column} = '{value}' {only_used}")

    return set_time


Shift = Callable[..., None]


def test_signing_in_gives_a_refresh_token_of_256_bits_for_thirty_days(
    client: httpx.Client, ann: User
) -> None:
    first, second = tokens_of(client, ann), tokens_of(client, ann)
    assert first["refresh_expires_in"] == MONTH
    assert len(first["refresh_token"]) == 43
    assert first["refresh_token"] != second["refresh_token"]


def test_a_refresh_gives_a_new_pair_of_the_same_user(
    client: httpx.Client, ann: User, token: str
) -> None:
    answer = refresh(client, token)
    pair = answer.json()
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert (pair["token_type"], pair["expires_in"]) == ("bearer", 900)
    assert pair["refresh_token"] != token
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    assert client.get("/users/me", headers=headers).json()["id"] == ann.id
    assert next_of(client, pair["refresh_token"])


def test_other_fields_of_the_form_are_ignored(client: httpx.Client, token: str) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": token, "scope": "", "audience": "x"}
    assert client.post("/auth/token", data=form | {"client_id": "app"}).status_code == 200


def test_only_the_hash_of_a_token_is_stored(client: httpx.Client, token: str, sql: Sql) -> None:
    second = next_of(client, token)
    rows = sql("SELECT * FROM refresh_tokens")
    stored = {bytes(row.sha256) for row in rows}
    assert stored == {hashlib.sha256(one.encode()).digest() for one in (token, second)}
    assert {bytes(row.family) for row in rows} == {hashlib.sha256(token.encode()).digest()}
    assert token not in str(rows)


def test_a_session_ends_thirty_days_after_its_beginning_however_often_it_is_refreshed(
    client: httpx.Client, token: str, shift: Shift
) -> None:
    shift(expires_at=100)
    answer = refresh(client, token).json()
    assert 0 < answer["refresh_expires_in"] <= 100
    shift(expires_at=-1)
    assert_ended(client, token, answer["refresh_token"])


def test_a_token_that_was_used_seconds_ago_gives_a_sibling(
    client: httpx.Client, token: str, shift: Shift
) -> None:
    first = next_of(client, token)
    shift(used_at=-0.8 * GRACE)
    second = next_of(client, token)
    assert first != second
    assert next_of(client, first)
    assert next_of(client, second)


def test_a_token_that_was_used_before_ends_its_whole_family_and_no_other(
    client: httpx.Client,
    ann: User,
    token: str,
    shift: Shift,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = tokens_of(client, ann)["refresh_token"]
    second = next_of(client, token)
    third = next_of(client, second)
    shift(used_at=-1.1 * GRACE)
    assert_ended(client, token)
    warnings = [it.getMessage() for it in caplog.records if it.levelno == logging.WARNING]
    event = f"a used refresh token of user {ann.id} came again: its session ends, since"
    assert warnings == [f"{event} the token may be stolen"]
    assert_ended(client, third, second, token)
    assert next_of(client, other)


def test_the_grace_counts_from_the_first_use(
    client: httpx.Client, token: str, shift: Shift
) -> None:
    next_of(client, token)
    shift(used_at=-0.8 * GRACE)
    next_of(client, token)
    shift(used_at=-1.1 * GRACE)
    assert_ended(client, token)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET is_active = false",
        "DELETE FROM users",
    ],
)
def test_a_user_who_is_not_active_or_was_removed_gets_no_token(
    client: httpx.Client, token: str, sql: Sql, change: str
) -> None:
    sql(change)
    assert_ended(client, token)


HOSTILE = [
    *("x", CANARY, "\0", "a\0b", "é", "\U0001f4a9", "\u202e", "' OR 1=1 --", "%", "\r\n", " "),
    *("A" * 42, "A" * 43, "A" * 44, "=" * 43, "A" * 16_000, "null", "[]", "../..", "\ud7ff"),
    *("..", f"{'W1tb' * 3000}..", "eyJhbGciOiJFZERTQSJ9..", "\U0001f4a9.\U0001f4a9.\U0001f4a9"),
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda value: ascii(value)[:20])
def test_whatever_is_no_refresh_token_is_an_invalid_grant(
    client: httpx.Client, token: str, hostile: str
) -> None:
    assert_ended(client, hostile)
    assert_ended(client, f"{token}{hostile}"[:16_000], token[:-1], token.swapcase())
    assert revoke(client, hostile).status_code == 200
    assert revoke(client, hostile, all="true").status_code == 200
    assert next_of(client, token)


def test_an_access_token_refreshes_nothing(client: httpx.Client, ann: User) -> None:
    assert_ended(client, tokens_of(client, ann)["access_token"])


@pytest.mark.parametrize(
    "content",
    [
        b"grant_type=refresh_token",
        b"grant_type=refresh_token&refresh_token=",
        b"grant_type=refresh_token&username=a&password=b",
        b"grant_type=refresh_token&refresh_token=a&refresh_token=a",
        b"grant_type=refresh_token&refresh_token=%ff",
    ],
)
def test_a_form_without_one_refresh_token_is_an_invalid_request(
    client: httpx.Client, content: bytes
) -> None:
    answer = client.post("/auth/token", content=content, headers=FORM)
    assert assert_problem(answer, 400, "error")["error"] == "invalid_request"


def test_a_token_of_the_caller_is_verified_on_a_refresh_too(
    client: httpx.Client, token: str
) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    answer = client.post("/auth/token", data=form, headers={"Authorization": "Bearer x"})
    assert assert_problem(answer, 401, "error")["error"] == "invalid_client"
    assert next_of(client, token)


def test_of_fifty_refreshes_at_once_each_gets_a_token_that_goes_on(
    client: httpx.Client, token: str
) -> None:
    answers = at_once(*[partial(refresh, client, token)] * 50)
    assert Counter(answer.status_code for answer in answers) == {200: 50}
    tokens = {answer.json()["refresh_token"] for answer in answers}
    assert len(tokens) == 50
    again = at_once(*[partial(refresh, client, one) for one in tokens])
    assert Counter(answer.status_code for answer in again) == {200: 50}


def test_used_tokens_that_come_again_at_once_end_one_family(
    client: httpx.Client, ann: User, token: str, shift: Shift
) -> None:
    other = tokens_of(client, ann)["refresh_token"]
    tokens = [token]
    for _ in range(8):
        tokens.append(next_of(client, tokens[-1]))
    shift(used_at=-1.1 * GRACE)
    answers = at_once(*[partial(refresh, client, one) for one in tokens * 3])
    assert set(Counter(answer.status_code for answer in answers)) <= {200, 400}
    tokens += [it.json()["refresh_token"] for it in answers if it.status_code == 200]
    assert_ended(client, *tokens)
    assert next_of(client, other)


def test_no_token_that_a_refresh_gives_survives_the_end_of_all_sessions(
    client: httpx.Client, ann: User
) -> None:
    for _ in range(5):
        tokens = [tokens_of(client, ann)["refresh_token"] for _ in range(3)]
        calls = [partial(refresh, client, one) for one in tokens]
        end = partial(revoke, client, tokens[0], all="true")
        answers = at_once(*calls, end, *calls)
        assert set(Counter(answer.status_code for answer in answers)) <= {200, 400}
        bodies = [it.json() for it in answers if it.content and it.status_code == 200]
        assert_ended(client, *tokens, *[body["refresh_token"] for body in bodies])


def test_a_password_that_changes_while_it_is_verified_begins_no_session(
    client: httpx.Client, ann: User, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def verify(password: str, hashed_password: str | None) -> bool:
        matches = await verify_password(password, hashed_password)
        sql("UPDATE users SET hashed_password = 'x'")
        return matches

    monkeypatch.setattr("platform_service.routers.auth.verify_password", verify)
    assert_problem(sign_in(client, ann.email), 401, "error")
    assert sql("SELECT * FROM refresh_tokens") == []


def test_expired_tokens_go_away_as_others_come(
    client: httpx.Client, ann: User, token: str, shift: Shift, sql: Sql
) -> None:
    for _ in range(11):
        token = next_of(client, token)
    shift(expires_at=-1)
    tokens_of(client, ann)
    assert len(sql("SELECT 1 FROM refresh_tokens")) == 3
    tokens_of(client, ann)
    assert len(sql("SELECT 1 FROM refresh_tokens")) == 2


def test_a_refresh_is_one_transaction_of_four_statements(
    client: httpx.Client, token: str, statements: Statements
) -> None:
    next_of(client, token)
    assert len(statements) == 4, statements


def test_the_log_has_no_token(
    client: httpx.Client, token: str, capfd: pytest.CaptureFixture[str]
) -> None:
    following: Sequence[str] = [token, next_of(client, token)]
    revoke(client, following[1])
    assert_ended(client, *following)
    client.get("/livez")
    out, err = capfd.readouterr()
    assert not [one for one in following if one in out + err]


def test_the_document_says_which_fields_each_grant_needs(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    form = document["components"]["schemas"]["TokenRequest"]
    assert form["then"] == {"required": ["refresh_token"]}
    assert form["else"] == {"required": ["username", "password"]}
    for path in ("/auth/token", "/auth/revoke"):
        statuses = set(document["paths"][path]["post"]["responses"])
        assert statuses >= {"200", "400", "401", "413", "415", "422", "503", "504", "507"}
