"""Posts: every route, every field, and what is refused."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from conftest import Write

from chassis_testing import hostile
from chassis_testing.changes import assert_changed
from chassis_testing.hostile import short
from chassis_testing.paging import pages, rows
from chassis_testing.problem import assert_problem, assert_refused

SHOWN = ["id", "title", "body", "published", "author_id"]
SHOWN += ["created_at", "updated_at", "published_at"]
LONGEST = {"title": "é" * 200, "body": "𝄞" * 100_000, "published": True}


def test_a_post_needs_only_a_title(client: httpx.Client) -> None:
    answer = client.post("/posts/", json={"title": "Hello"})
    post = answer.json()
    assert answer.status_code == 201
    assert list(post) == SHOWN
    assert (post["title"], post["body"], post["published"]) == ("Hello", None, False)
    assert answer.headers["Location"] == f"/posts/{post['id']}"


def test_the_location_of_a_new_post_leads_to_it(client: httpx.Client) -> None:
    created = client.post("/posts/", json=LONGEST)
    assert client.get(created.headers["Location"]).json() == created.json()
    assert created.json().items() >= LONGEST.items()


def test_the_moment_of_creation_is_utc(write_post: Write) -> None:
    text = write_post()["created_at"]
    moment = datetime.fromisoformat(text)
    assert text.endswith("Z")
    assert abs(datetime.now(UTC) - moment) < timedelta(seconds=60)


def test_a_post_that_does_not_exist_is_not_found(client: httpx.Client) -> None:
    assert_problem(client.get("/posts/1"), 404)
    assert_problem(client.patch("/posts/1", json={"title": "x"}), 404)
    assert_problem(client.patch("/posts/1", json={}), 404)
    assert_problem(client.delete("/posts/1"), 404)
    assert_problem(client.get(f"/posts/{2**63 - 1}"), 404)


@pytest.mark.parametrize(
    "changes", [{"title": "New"}, {"body": "New"}, {"body": None}, {"published": True}, {}]
)
def test_only_the_fields_that_are_sent_change(
    client: httpx.Client, write_post: Write, changes: dict[str, Any]
) -> None:
    post, other = write_post(body="Old"), write_post(body="Other")
    answer = client.patch(f"/posts/{post['id']}", json=changes)
    assert answer.status_code == 200
    assert_changed(answer.json(), post, changes)
    assert client.get(f"/posts/{post['id']}").json() == answer.json()
    assert client.get(f"/posts/{other['id']}").json() == other


def test_the_tag_of_a_post_changes_with_it(client: httpx.Client) -> None:
    created = client.post("/posts/", json={"title": "Old"})
    path, tag = created.headers["Location"], created.headers["ETag"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    changed = client.patch(path, json={"title": "New"}, headers={"If-Match": tag})
    assert (changed.status_code, changed.json()["title"]) == (200, "New")
    assert client.get(path).headers["ETag"] == changed.headers["ETag"] != tag
    assert client.get(path, headers={"If-None-Match": tag}).json() == changed.json()
    for method, body in (("PATCH", {"title": "Newer"}), ("DELETE", None)):
        assert_problem(client.request(method, path, json=body, headers={"If-Match": tag}), 412)
    assert client.get(path).json() == changed.json()
    assert client.delete(path, headers={"If-Match": changed.headers["ETag"]}).status_code == 204
    assert_problem(client.delete(path, headers={"If-Match": "*"}), 404)


def test_of_twenty_changes_at_once_with_one_tag_one_is_made(
    client: httpx.Client, write_post: Write
) -> None:
    path = f"/posts/{write_post()['id']}"
    headers = {"If-Match": client.get(path).headers["ETag"]}

    def change(number: int) -> int:
        return client.patch(path, json={"title": f"{number}"}, headers=headers).status_code

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(change, range(20))) == [200, *[412] * 19]


def test_a_deleted_post_is_gone_for_good(client: httpx.Client, write_post: Write) -> None:
    post, other = write_post(), write_post()
    answer = client.delete(f"/posts/{post['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert_problem(client.get(f"/posts/{post['id']}"), 404)
    assert_problem(client.delete(f"/posts/{post['id']}"), 404)
    assert client.get("/posts/").json() == [other]


def test_the_id_of_a_deleted_post_is_never_used_again(
    client: httpx.Client, write_post: Write
) -> None:
    first, last = write_post(), write_post()
    client.delete(f"/posts/{last['id']}")
    client.delete(f"/posts/{first['id']}")
    assert write_post()["id"] > last["id"]


def test_lists_are_arrays_by_id_with_whole_posts(client: httpx.Client, write_post: Write) -> None:
    assert client.get("/posts/").json() == []
    posts = [write_post(title=f"{number}") for number in range(3)]
    assert client.get("/posts/").json() == posts


def test_the_first_publication_is_kept(client: httpx.Client, write_post: Write) -> None:
    path = f"/posts/{write_post()['id']}"
    assert client.get(path).json()["published_at"] is None
    first = client.patch(path, json={"published": True}).json()
    assert first["created_at"] <= first["published_at"] == first["updated_at"]
    withdrawn = client.patch(path, json={"published": False}).json()
    again = client.patch(path, json={"published": True}).json()
    assert first["published_at"] == withdrawn["published_at"] == again["published_at"]
    at_once = write_post(published=True)
    assert at_once["created_at"] == at_once["published_at"] == at_once["updated_at"]


def test_what_was_published_last_comes_first(client: httpx.Client, write_post: Write) -> None:
    ids = [write_post()["id"] for _ in range(5)]
    order = [ids[number] for number in (2, 0, 4, 1, 3)]
    for post_id in order:
        client.patch(f"/posts/{post_id}", json={"published": True})
    order.append(write_post(published=True)["id"])
    found = rows(client, "/posts/?sort=-published_at&limit=1")
    assert [post["id"] for post in found] == order[::-1]


def test_lists_show_what_the_filter_asks_for(client: httpx.Client, write_post: Write) -> None:
    draft, public = write_post(), write_post(published=True)
    assert client.get("/posts/?published=true").json() == [public]
    assert client.get("/posts/?published=false").json() == [draft]
    published = client.patch(f"/posts/{draft['id']}", json={"published": True}).json()
    assert client.get("/posts/?published=true").json() == [published, public]


@pytest.mark.parametrize("field", ["id", "created_at", "owner_id", "Title", "titel"])
def test_nobody_sets_a_field_that_is_not_theirs(
    client: httpx.Client, write_post: Write, field: str
) -> None:
    post = write_post()
    assert_refused(client.post("/posts/", json={"title": "x", field: 7}), "body", field)
    assert_refused(client.patch(f"/posts/{post['id']}", json={field: 7}), "body", field)
    assert client.get("/posts/").json() == [post]


def test_a_post_without_a_title_is_refused(client: httpx.Client) -> None:
    assert_refused(client.post("/posts/", json={"body": "x"}), "body", "title")


FIELDS: list[tuple[str, str]] = [
    *(("title", value) for value in [*hostile.NO_TEXTS, '""', f'"{"x" * 201}"']),
    *(("body", value) for value in hostile.NO_TEXTS if value != "null"),
    *(("body", f'"{length * "x"}"') for length in (100_001, 10**6)),
    *(("published", value) for value in hostile.NO_FLAGS),
]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_field_of_a_wrong_kind_is_refused_and_changes_nothing(
    client: httpx.Client, write_post: Write, method: str, subtests: pytest.Subtests
) -> None:
    post = write_post()
    path = "/posts/" if method == "POST" else f"/posts/{post['id']}"
    for field, value in FIELDS:
        with subtests.test(f"{field}: {short(value)}"):
            others = "" if field == "title" else '"title": "x", '
            content = f'{{{others}"{field}": {value}}}'
            answer = client.request(method, path, content=content, headers=hostile.JSON)
            assert_refused(answer, "body", field)
    assert client.get("/posts/").json() == [post]


def test_a_path_or_query_of_a_wrong_kind_is_refused(client: httpx.Client) -> None:
    assert_refused(client.get("/posts/x"), "path", "post_id")
    for method in ("GET", "PATCH", "DELETE"):
        body = {"title": "x"} if method == "PATCH" else None
        assert_refused(client.request(method, "/posts/1?x=1", json=body), "query", "x")
    assert_refused(client.post("/posts/?x=1", json={"title": "x"}), "query", "x")
    for value in hostile.NO_BOOLEANS:
        assert_refused(client.get(f"/posts/?published={value}"), "query", "published")


@pytest.mark.parametrize("query", ["", "&published=true", "&published=false"])
def test_the_links_and_the_total_are_those_of_the_filter(
    client: httpx.Client, write_post: Write, query: str
) -> None:
    posts = [write_post(published=number % 3 == 0) for number in range(7)]
    wanted = [post for post in posts if f"{post['published']}".lower() in (query or "true false")]
    answers = list(pages(client, f"/posts/?limit=2&count=true{query}"))
    assert [post for answer in answers for post in answer.json()] == wanted
    assert {answer.headers["X-Total-Count"] for answer in answers} == {str(len(wanted))}


def test_the_document_lists_each_route_once(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {path: set(methods) for path, methods in paths.items()} == {
        "/posts/": {"get", "post"},
        "/posts/{post_id}": {"get", "patch", "delete"},
    }
