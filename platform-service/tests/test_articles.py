"""Articles: every route and field, and what others may see and do."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import httpx
import pytest
from conftest import User, Write

from chassis_testing import hostile
from chassis_testing.changes import assert_changed
from chassis_testing.hostile import short
from chassis_testing.paging import pages, rows
from chassis_testing.problem import assert_problem, assert_refused

FIELDS = [
    *("id", "title", "content", "is_published", "owner_id", "owner_email"),
    *("created_at", "updated_at", "published_at"),
]
LONGEST = {"title": "é" * 200, "content": "𝄞" * 100_000, "is_published": True}


def test_an_article_belongs_to_whoever_writes_it(client: httpx.Client, ann: User) -> None:
    answer = client.post("/articles/", json={"title": "T", "content": "C"}, headers=ann.headers)
    article = answer.json()
    assert answer.status_code == 201
    assert list(article) == FIELDS
    assert (article["owner_id"], article["owner_email"]) == (ann.id, ann.email)
    assert (article["title"], article["content"], article["is_published"]) == ("T", "C", False)
    assert answer.headers["Location"] == f"/articles/{article['id']}"


def test_the_location_of_a_new_article_leads_to_it(client: httpx.Client, ann: User) -> None:
    created = client.post("/articles", json=LONGEST, headers=ann.headers)
    assert client.get(created.headers["Location"]).json() == created.json()
    assert created.json().items() >= LONGEST.items()


def test_the_moment_of_creation_is_utc(write_article: Write, ann: User) -> None:
    created_at = write_article(ann)["created_at"]
    assert created_at.endswith("Z")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(created_at)) < timedelta(seconds=60)


def test_only_the_owner_sees_a_draft(
    client: httpx.Client, write_article: Write, ann: User, bob: User
) -> None:
    path = f"/articles/{write_article(ann)['id']}"
    assert client.get(path, headers=ann.headers).status_code == 200
    assert_problem(client.get(path, headers=bob.headers), 404)
    assert_problem(client.get(path), 404)


def test_publishing_shows_an_article_to_everyone_and_withdrawing_hides_it(
    client: httpx.Client, write_article: Write, ann: User, bob: User
) -> None:
    path = f"/articles/{write_article(ann)['id']}"
    shown = client.patch(path, json={"is_published": True}, headers=ann.headers)
    assert shown.status_code == 200
    assert client.get(path).json() == client.get(path, headers=bob.headers).json() == shown.json()
    client.patch(path, json={"is_published": False}, headers=ann.headers)
    assert_problem(client.get(path), 404)


@pytest.mark.parametrize("caller", ["nobody", "ann", "bob"])
@pytest.mark.parametrize("is_published", [None, "true", "false"])
@pytest.mark.parametrize("owner", [None, "ann", "bob"])
def test_lists_show_what_the_caller_may_see_and_asked_for(
    client: httpx.Client,
    write_article: Write,
    ann: User,
    bob: User,
    *,
    caller: str,
    is_published: str | None,
    owner: str | None,
) -> None:
    users = {"ann": ann, "bob": bob}
    articles = [
        write_article(user, is_published=published)
        for user, published in product((ann, bob), (True, False))
    ]
    expected = [
        article
        for article in articles
        if (
            article["is_published"] or (caller in users and article["owner_id"] == users[caller].id)
        )
        and is_published in {None, str(article["is_published"]).lower()}
        and (owner is None or article["owner_id"] == users[owner].id)
    ]
    asked = {"is_published": is_published, "owner_id": users[owner].id if owner else None}
    answer = client.get(
        "/articles/",
        params={"count": "true"} | {name: value for name, value in asked.items() if value},
        headers=users[caller].headers if caller in users else {},
    )
    assert answer.json() == expected
    assert answer.headers["X-Total-Count"] == str(len(expected))


@pytest.mark.parametrize(
    "changes", [{"title": "New"}, {"content": "New"}, {"is_published": True}, {}]
)
def test_only_the_fields_that_are_sent_change(
    client: httpx.Client, write_article: Write, ann: User, changes: dict[str, Any]
) -> None:
    article, other = write_article(ann), write_article(ann)
    path = f"/articles/{article['id']}"
    answer = client.patch(path, json=changes, headers=ann.headers)
    assert answer.status_code == 200
    assert_changed(answer.json(), article, changes)
    assert client.get("/articles/", headers=ann.headers).json() == [answer.json(), other]


def test_the_first_publication_is_kept(
    client: httpx.Client, write_article: Write, ann: User
) -> None:
    def publish(*, is_published: bool) -> dict[str, Any]:
        answer = client.patch(path, json={"is_published": is_published}, headers=ann.headers)
        article: dict[str, Any] = answer.json()
        return article

    draft = write_article(ann)
    path = f"/articles/{draft['id']}"
    assert draft["published_at"] is None
    first = publish(is_published=True)
    assert first["created_at"] <= first["published_at"] == first["updated_at"]
    withdrawn, again = publish(is_published=False), publish(is_published=True)
    assert first["published_at"] == withdrawn["published_at"] == again["published_at"]
    at_once = write_article(ann, is_published=True)
    assert at_once["created_at"] == at_once["published_at"] == at_once["updated_at"]


def test_what_was_published_last_comes_first(
    client: httpx.Client, write_article: Write, ann: User
) -> None:
    ids = [write_article(ann)["id"] for _ in range(5)]
    order = [ids[number] for number in (2, 0, 4, 1, 3)]
    for article_id in order:
        client.patch(f"/articles/{article_id}", json={"is_published": True}, headers=ann.headers)
    order.append(write_article(ann, is_published=True)["id"])
    found = rows(client, "/articles/?sort=-published_at&limit=1")
    assert [article["id"] for article in found] == order[::-1]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_nobody_changes_what_is_anothers(
    client: httpx.Client, write_article: Write, ann: User, bob: User, method: str
) -> None:
    body = {"title": "Mine"} if method == "PATCH" else None
    public, draft = write_article(ann, is_published=True), write_article(ann)
    for number, status in [(public["id"], 403), (draft["id"], 404), (10**9, 404)]:
        answer = client.request(method, f"/articles/{number}", json=body, headers=bob.headers)
        assert_problem(answer, status)
        assert_problem(client.request(method, f"/articles/{number}", json=body), 401)
    assert client.get("/articles/", headers=ann.headers).json() == [public, draft]


def test_anothers_draft_and_no_article_look_alike(
    client: httpx.Client, write_article: Write, ann: User, bob: User
) -> None:
    draft = write_article(ann)["id"]
    for method in ("GET", "PATCH", "DELETE"):
        body: dict[str, str] | None = {} if method == "PATCH" else None
        answers = [
            client.request(method, f"/articles/{number}", json=body, headers=bob.headers).json()
            for number in (draft, draft + 1)
        ]
        for answer in answers:
            del answer["instance"], answer["request_id"]
        assert answers[0] == answers[1]


def test_a_deleted_article_is_gone_for_good(
    client: httpx.Client, write_article: Write, ann: User
) -> None:
    article, other = write_article(ann), write_article(ann)
    path = f"/articles/{article['id']}"
    answer = client.delete(path, headers=ann.headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert_problem(client.get(path, headers=ann.headers), 404)
    assert_problem(client.delete(path, headers=ann.headers), 404)
    assert client.get("/articles/", headers=ann.headers).json() == [other]


def test_the_id_of_a_deleted_article_is_never_used_again(
    client: httpx.Client, write_article: Write, ann: User
) -> None:
    last = write_article(ann)["id"]
    client.delete(f"/articles/{last}", headers=ann.headers)
    assert write_article(ann)["id"] > last


@pytest.mark.parametrize("field", ["id", "owner_id", "owner_email", "created_at", "Title", "body"])
def test_nobody_sets_a_field_that_is_not_theirs(
    client: httpx.Client, write_article: Write, ann: User, field: str
) -> None:
    article = write_article(ann)
    body = {"title": "x", "content": "x", field: 7}
    assert_refused(client.post("/articles/", json=body, headers=ann.headers), "body", field)
    answer = client.patch(f"/articles/{article['id']}", json={field: 7}, headers=ann.headers)
    assert_refused(answer, "body", field)
    assert client.get("/articles/", headers=ann.headers).json() == [article]


@pytest.mark.parametrize("field", ["title", "content"])
def test_an_article_needs_a_title_and_content(client: httpx.Client, ann: User, field: str) -> None:
    body = {"title": "x", "content": "x"}
    del body[field]
    assert_refused(client.post("/articles/", json=body, headers=ann.headers), "body", field)


VALUES: list[tuple[str, str]] = [
    *(("title", value) for value in [*hostile.NO_TEXTS, '""', f'"{"x" * 201}"']),
    *(("content", value) for value in [*hostile.NO_TEXTS, '""', f'"{"x" * 100_001}"']),
    *(("is_published", value) for value in hostile.NO_FLAGS),
]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_field_of_a_wrong_kind_is_refused_and_changes_nothing(
    client: httpx.Client, write_article: Write, ann: User, method: str, subtests: pytest.Subtests
) -> None:
    article = write_article(ann)
    path = "/articles/" if method == "POST" else f"/articles/{article['id']}"
    for field, value in VALUES:
        with subtests.test(f"{field}: {short(value)}"):
            fields = {"title": '"x"', "content": '"x"', field: value}
            body = ", ".join(f'"{name}": {text}' for name, text in fields.items())
            headers = ann.headers | hostile.JSON
            answer = client.request(method, path, content=f"{{{body}}}", headers=headers)
            assert_refused(answer, "body", field)
    assert client.get("/articles/", headers=ann.headers).json() == [article]


def test_a_path_or_query_of_a_wrong_kind_is_refused(client: httpx.Client, ann: User) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        body = {"title": "x"} if method == "PATCH" else None
        answer = client.request(method, "/articles/x", json=body, headers=ann.headers)
        assert_refused(answer, "path", "article_id")
    for value in hostile.NO_BOOLEANS:
        assert_refused(client.get(f"/articles/?is_published={value}"), "query", "is_published")
    for value in (*hostile.NO_NUMBERS, "0"):
        assert_refused(client.get(f"/articles/?owner_id={value}"), "query", "owner_id")
    assert client.get(f"/articles/?after={2**63 - 1}&owner_id={2**63 - 1}").json() == []


@pytest.mark.parametrize("limit", [1, 7, 100])
@pytest.mark.parametrize("query", ["", "&is_published=false", "&owner_id={}"])
def test_the_links_lead_through_all_that_the_caller_sees_once(
    client: httpx.Client, write_article: Write, ann: User, bob: User, *, limit: int, query: str
) -> None:
    articles = [
        write_article((ann, bob)[number % 2], is_published=number % 3 == 0) for number in range(14)
    ]
    wanted = [
        article
        for article in articles
        if (article["owner_id"] == ann.id or (article["is_published"] and "owner" not in query))
        and not (article["is_published"] and "false" in query)
    ]
    asked = f"/articles/?limit={limit}&count=true{query.format(ann.id)}"
    answers = list(pages(client, asked, ann.headers))
    assert [article for answer in answers for article in answer.json()] == wanted
    assert {answer.headers["X-Total-Count"] for answer in answers} == {str(len(wanted))}
