"""To whom e-mails are shown: each value of PLATFORM_SHOW_EMAILS, at each place that has one."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from conftest import PASSWORD, User, Write

from chassis_testing.fixtures import Server

Show = Callable[[str], None]


@pytest.fixture
def show(server: Server) -> Iterator[Show]:
    """Sets to whom e-mails are shown."""
    state = server[0].state
    yield lambda value: setattr(state, "show_emails", value)
    state.show_emails = "everyone"


def emails(client: httpx.Client, reader: User | None, author: User, article: int) -> list[Any]:
    """Return the author's e-mail as the reader sees it at each place, which must agree."""
    headers = reader.headers if reader else {}

    def get(path: str) -> Any:
        return client.get(path, headers=headers).json()

    seen = [get(f"/articles/{article}")["owner_email"], get("/articles/")[0]["owner_email"]]
    if reader:
        users = {user["id"]: user["email"] for user in get("/users/")}
        assert users[reader.id] == get("/users/me")["email"] == reader.email
        seen += [users[author.id], get(f"/users/{author.id}")["email"]]
    return seen


@pytest.mark.parametrize(
    ("value", "nobody", "other"),
    [("everyone", True, True), ("signed-in", False, True), ("owner", False, False)],
)
def test_an_email_is_shown_to_those_whom_the_setting_names_and_to_its_owner(
    client: httpx.Client,
    ann: User,
    bob: User,
    *,
    write_article: Write,
    show: Show,
    value: str,
    nobody: bool,
    other: bool,
) -> None:
    article = write_article(ann, is_published=True)["id"]
    show(value)
    assert emails(client, None, ann, article) == [ann.email if nobody else None] * 2
    assert emails(client, bob, ann, article) == [ann.email if other else None] * 4
    assert emails(client, ann, ann, article) == [ann.email] * 4


def test_a_list_shows_the_callers_own_email_among_those_that_it_hides(
    client: httpx.Client, ann: User, bob: User, write_article: Write, show: Show
) -> None:
    show("owner")
    for user in (ann, bob, ann):
        write_article(user, is_published=True)
    for order in ("", "?sort=-id"):
        listed = client.get(f"/articles/{order}", headers=ann.headers).json()
        assert [one["owner_email"] for one in listed] == [ann.email, None, ann.email]
    users = client.get("/users/?sort=-id", headers=ann.headers).json()
    assert [user["email"] for user in users] == [None, ann.email]


def test_writers_and_new_users_see_their_own_email(
    client: httpx.Client, ann: User, write_article: Write, show: Show
) -> None:
    show("owner")
    article = write_article(ann)
    changed = client.patch(f"/articles/{article['id']}", json={}, headers=ann.headers)
    assert article["owner_email"] == changed.json()["owner_email"] == ann.email
    body = {"email": "eve@example.com", "password": PASSWORD}
    assert client.post("/users/", json=body).json()["email"] == "eve@example.com"
    body = {"email": "ANN@example.com", "current_password": PASSWORD}
    answer = client.patch("/users/me", json=body, headers=ann.headers)
    assert answer.json()["email"] == "ANN@example.com"


@pytest.mark.parametrize("value", ["everyone", "signed-in", "owner"])
def test_an_etag_differs_where_the_email_that_is_shown_does(
    client: httpx.Client, ann: User, *, write_article: Write, show: Show, value: str
) -> None:
    show(value)
    path = f"/articles/{write_article(ann, is_published=True)['id']}"
    nobody, own = client.get(path), client.get(path, headers=ann.headers)
    alike = nobody.json()["owner_email"] == own.json()["owner_email"]
    assert (nobody.headers["ETag"] == own.headers["ETag"]) == alike
    asked = {"If-None-Match": own.headers["ETag"]}
    assert client.get(path, headers=asked).status_code == (304 if alike else 200)
    assert client.head(path).headers["ETag"] == nobody.headers["ETag"]


@pytest.mark.parametrize("value", ["everyone", "signed-in", "owner"])
def test_a_cache_keeps_no_email_for_others(
    client: httpx.Client, ann: User, *, write_article: Write, show: Show, value: str
) -> None:
    show(value)
    for path in ("/articles/", f"/articles/{write_article(ann, is_published=True)['id']}"):
        for method in ("GET", "HEAD"):
            nobody = client.request(method, path).headers
            assert (nobody["Cache-Control"], nobody["Vary"]) == (
                "public, no-cache",
                "Authorization",
            )
            own = client.request(method, path, headers=ann.headers).headers
            assert own["Cache-Control"] == "private, no-cache"


def test_the_document_says_that_an_email_may_be_null(client: httpx.Client) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    for schema, field in [("UserOut", "email"), ("ArticleOut", "owner_email")]:
        assert {"type": "null"} in schemas[schema]["properties"][field]["anyOf"]
        assert field in schemas[schema]["required"]


def test_a_tag_says_whether_the_email_is_shown_and_either_allows_its_owner_a_change(
    client: httpx.Client, ann: User, write_article: Write, show: Show
) -> None:
    path = f"/articles/{write_article(ann, is_published=True)['id']}"
    show("signed-in")
    hidden, shown = client.get(path), client.get(path, headers=ann.headers)
    assert hidden.headers["ETag"] != shown.headers["ETag"]
    known = {"If-None-Match": hidden.headers["ETag"]}
    assert client.get(path, headers=known).status_code == 304
    assert client.get(path, headers={**known, **ann.headers}).json() == shown.json()
    show("everyone")
    assert client.get(path, headers=known).json() == shown.json()
    for answer in (hidden, shown):
        headers = {**ann.headers, "If-Match": answer.headers["ETag"]}
        assert client.patch(path, json={}, headers=headers).status_code == 200
