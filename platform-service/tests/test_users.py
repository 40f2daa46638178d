"""Users: signing up, and what is shown of them."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from conftest import PASSWORD, User, sign_in

from chassis_testing import hostile
from chassis_testing.fixtures import Sql
from chassis_testing.hostile import short
from chassis_testing.problem import CANARY, assert_problem, assert_refused

FIELDS = ["id", "email", "is_active", "created_at"]


def sign_up(client: httpx.Client, email: str) -> httpx.Response:
    return client.post("/users/", json={"email": email, "password": PASSWORD})


def test_a_new_user_is_active_and_shows_no_password(client: httpx.Client) -> None:
    answer = sign_up(client, "Ann@example.com")
    user = answer.json()
    assert answer.status_code == 201
    assert list(user) == FIELDS
    assert (user["email"], user["is_active"]) == ("Ann@example.com", True)
    assert user["created_at"].endswith("Z")
    assert answer.headers["Location"] == f"/users/{user['id']}"
    assert "argon2" not in answer.text


def test_the_password_is_stored_as_an_argon2id_hash(client: httpx.Client, sql: Sql) -> None:
    sign_up(client, "ann@example.com")
    ((stored,),) = sql("SELECT hashed_password FROM users")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in stored


def test_the_letter_case_does_not_matter_beyond_ascii_either(client: httpx.Client) -> None:
    assert sign_up(client, "\xe9mile@example.com").status_code == 201
    assert_problem(sign_up(client, "\xc9MILE@example.com"), 409)


@pytest.mark.parametrize(
    ("registered", "other"),
    [
        ("σοφός@example.com", "ΣΟΦΌΣ@example.com"),
        ("İnci@example.com", "inci@example.com"),
        ("straße@example.com", "STRASSE@example.com"),
        ("a\u0301nn@example.com", "\xc1NN@example.com"),
        ("\uff46\uff49@example.com", "FI@example.com"),
        ("ΐ@example.com", "Ϊ́@example.com"),
    ],
)
def test_letter_case_and_form_of_an_email_are_folded_alike_on_both_engines(
    client: httpx.Client, registered: str, other: str
) -> None:
    assert sign_up(client, registered).status_code == 201
    assert_problem(sign_up(client, other), 409)
    for email in (registered, other):
        assert sign_in(client, email).status_code == 200


@pytest.mark.parametrize("other", ["\u0131nci@example.com", "inçi@example.com", "inci@example.org"])
def test_another_letter_is_another_email(client: httpx.Client, other: str) -> None:
    assert sign_up(client, "inci@example.com").status_code == 201
    assert sign_up(client, other).status_code == 201


@pytest.mark.parametrize("email", ["ann@example.com", "ANN@EXAMPLE.COM", "aNN@Example.com"])
def test_a_second_sign_up_with_the_same_email_is_refused(
    client: httpx.Client, ann: User, sql: Sql, email: str
) -> None:
    assert ann.email == "ann@example.com"
    answer = sign_up(client, email)
    assert assert_problem(answer, 409)["detail"] == "Another user has this e-mail."
    assert email not in answer.text
    assert sql("SELECT count(*) FROM users")[0] == (1,)


def test_of_many_sign_ups_at_once_with_one_email_one_succeeds(client: httpx.Client) -> None:
    emails = [f"{'ann' if number % 2 else 'ANN'}@example.com" for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda email: sign_up(client, email), emails))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}


def test_a_user_who_is_signed_in_sees_every_user(
    client: httpx.Client, ann: User, bob: User
) -> None:
    users = client.get("/users/", headers=ann.headers).json()
    assert [(user["id"], user["email"]) for user in users] == [
        (ann.id, ann.email),
        (bob.id, bob.email),
    ]
    assert all(list(user) == FIELDS for user in users)
    assert client.get(f"/users/{bob.id}", headers=ann.headers).json() == users[1]
    assert client.get("/users/me", headers=ann.headers).json() == users[0]
    assert client.get("/users/me", headers=bob.headers).json() == users[1]


@pytest.mark.parametrize("path", ["/users/", "/users", "/users/me", "/users/1", "/users/999"])
def test_no_user_is_shown_without_a_token(client: httpx.Client, ann: User, path: str) -> None:
    assert ann
    answer = client.get(path)
    assert_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_user_who_does_not_exist_is_not_found(client: httpx.Client, ann: User) -> None:
    assert_problem(client.get(f"/users/{ann.id + 1}", headers=ann.headers), 404)
    assert_problem(client.get(f"/users/{2**63 - 1}", headers=ann.headers), 404)


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_nobody_changes_a_user(client: httpx.Client, ann: User, method: str) -> None:
    assert_problem(client.request(method, f"/users/{ann.id}", headers=ann.headers), 405)


@pytest.mark.parametrize("field", ["id", "is_active", "hashed_password", "created_at", "Email"])
def test_nobody_sets_a_field_that_is_not_theirs(client: httpx.Client, sql: Sql, field: str) -> None:
    body = {"email": "ann@example.com", "password": PASSWORD, field: True}
    assert_refused(client.post("/users/", json=body), "body", field)
    assert sql("SELECT count(*) FROM users")[0] == (0,)


@pytest.mark.parametrize("password", ["x" * 8, "x" * 128, "pässwörd", "𝄞" * 128, " " * 8])
def test_a_password_may_be_of_any_characters(client: httpx.Client, password: str) -> None:
    body = {"email": "ann@example.com", "password": password}
    assert client.post("/users/", json=body).status_code == 201
    assert sign_in(client, body["email"], password).status_code == 200
    assert_problem(sign_in(client, body["email"], password[:-1] + "?"), 401, "error")


def test_an_email_may_have_254_characters(client: httpx.Client) -> None:
    domain = ".".join(["d" * 60] * 3)
    local = "a" * 64
    email = f"{local}@{domain}.example"[:250] + ".com"
    assert len(email) == 254
    assert sign_up(client, email).json()["email"] == email


NO_EMAILS = [
    *("", "x", "@", "a@", "@example.com", "a@b", "a@localhost", "a@127.0.0.1", "a@[127.0.0.1]"),
    *("a@@example.com", "a b@example.com", ".a@example.com", "a..b@example.com", "a.@example.com"),
    *("a@-example.com", "a@example..com", r"a@example.com\n", r"a@example.com\u0000"),
    *("a@xn--a.com", r"a@example.com\r\nBcc: b@example.com", r"\ud800@example.com"),
    *("A <a@example.com>", "a@" + "b" * 250 + ".com", f"{CANARY} {CANARY}@example.com"),
    *("a@" + ".".join(["d" * 60] * 5) + ".com", "x" * 10**6 + "@example.com"),
    "\ufdfa" * 20 + "@example.com",  # 360 characters once it is normalised
]
VALUES: list[tuple[str, str]] = [
    *(("email", value) for value in hostile.NO_TEXTS),
    *(("email", f'"{email}"') for email in NO_EMAILS),
    *(("password", value) for value in hostile.NO_TEXTS),
    *(("password", f'"{"é" * length}"') for length in (0, 7, 129, 5000, 10**6)),
]


def test_a_field_of_a_wrong_kind_is_refused_and_makes_no_user(
    client: httpx.Client, sql: Sql, subtests: pytest.Subtests
) -> None:
    for field, value in VALUES:
        with subtests.test(f"{field}: {short(value)}"):
            fields = {"email": '"a@example.com"', "password": f'"{PASSWORD}"', field: value}
            body = ", ".join(f'"{name}": {text}' for name, text in fields.items())
            answer = client.post("/users/", content=f"{{{body}}}", headers=hostile.JSON)
            assert_refused(answer, "body", field)
            assert CANARY not in answer.text
            assert "example.com" not in answer.text
    assert sql("SELECT count(*) FROM users")[0] == (0,)


@pytest.mark.parametrize("depth", range(900, 1000, 4))
def test_an_email_that_is_a_deep_document_is_refused(client: httpx.Client, depth: int) -> None:
    deep = '{"a":' * depth + "1" + "}" * depth
    content = f'{{"password": "{PASSWORD}", "email": {deep}}}'
    answer = client.post("/users/", content=content, headers=hostile.JSON)
    assert_problem(answer, answer.status_code)
    assert answer.status_code in {400, 422}


def test_users_are_listed_by_pages(client: httpx.Client, new_user: Callable[[str], User]) -> None:
    users = [new_user(f"user{number}") for number in range(5)]
    page = client.get("/users/?limit=3&count=true", headers=users[0].headers)
    assert page.headers["X-Total-Count"] == "5"
    assert page.headers["Link"] == (f'</users/?limit=3&count=true&after={users[2].id}>; rel="next"')
    rest = client.get(page.links["next"]["url"], headers=users[0].headers)
    assert [user["id"] for user in page.json() + rest.json()] == [user.id for user in users]
    answer = client.get("/users/x", headers=users[0].headers)
    assert_refused(answer, "path", "user_id")
