"""Authors: who may see, change and delete whose posts."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import BLOG, Write

from chassis.database import Database
from chassis_testing.fixtures import Sql
from chassis_testing.hanging import connections_at_work
from chassis_testing.keys import SigningKey, publishing
from chassis_testing.paging import rows
from chassis_testing.problem import CANARY, assert_problem
from chassis_testing.waiting import until

Fields = dict[str, str]
CHANGES: list[tuple[str, Any]] = [
    ("PATCH", {"title": "New"}),
    ("PATCH", {}),
    ("PATCH", {"published": True}),
    ("DELETE", None),
]


def path_of(post: dict[str, Any]) -> str:
    return f"/posts/{post['id']}"


def test_the_caller_is_the_author(client: httpx.Client, ann: Fields, write_post: Write) -> None:
    post = write_post(ann)
    assert post["author_id"] == 1
    assert client.get(path_of(post), headers=ann).json() == post
    changed = client.patch(path_of(post), json={"published": True}, headers=ann).json()
    assert changed["author_id"] == 1


@pytest.mark.parametrize("author_id", [1, 2, None, 2**63])
def test_nobody_names_an_author_in_a_body(
    client: httpx.Client, ann: Fields, write_post: Write, author_id: int | None
) -> None:
    body = {"title": "x", "author_id": author_id}
    assert_problem(client.post("/posts/", json=body, headers=ann), 422)
    assert_problem(client.patch(path_of(write_post(ann)), json=body, headers=ann), 422)


def test_an_id_may_be_as_large_as_any(
    client: httpx.Client, key: SigningKey, write_post: Write
) -> None:
    largest = key.bearer(2**63 - 1)
    post = write_post(largest)
    assert post["author_id"] == 2**63 - 1
    assert client.get("/posts/", headers=largest).json() == [post]
    assert client.delete(path_of(post), headers=largest).status_code == 204


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/posts/", {"title": "x"}),
        ("PATCH", "/posts/1", {}),
        ("DELETE", "/posts/1", None),
        ("POST", "/posts/", {}),
        ("PATCH", "/posts/x", {}),
        ("DELETE", "/posts/0", None),
    ],
)
def test_a_write_needs_a_token(client: httpx.Client, method: str, path: str, body: Any) -> None:
    answer = client.request(method, path, json=body)
    assert_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("path", ["/posts/", "/posts/1", "/posts/x", "/posts/?limit=0"])
def test_a_token_that_is_sent_with_a_read_must_be_valid(client: httpx.Client, path: str) -> None:
    fields = {"Authorization": f"Bearer {CANARY}"}
    assert_problem(client.get(path, headers=fields), 401)
    assert client.head(path, headers=fields).status_code == 401


@pytest.mark.parametrize(("method", "body"), CHANGES)
def test_another_s_published_post_is_403(
    client: httpx.Client, ann: Fields, bob: Fields, *, write_post: Write, method: str, body: Any
) -> None:
    post = write_post(ann, published=True)
    assert_problem(client.request(method, path_of(post), json=body, headers=bob), 403)
    for reader in (None, ann, bob):
        assert client.get(path_of(post), headers=reader).json() == post


@pytest.mark.parametrize(("method", "body"), CHANGES)
def test_another_s_draft_is_404_as_one_that_does_not_exist(
    client: httpx.Client, ann: Fields, bob: Fields, *, write_post: Write, method: str, body: Any
) -> None:
    draft = write_post(ann)
    refused = client.request(method, path_of(draft), json=body, headers=bob)
    missing = client.request(method, "/posts/9999", json=body, headers=bob)
    assert assert_problem(refused, 404)["detail"] == assert_problem(missing, 404)["detail"]
    assert client.get(path_of(draft), headers=ann).json() == draft


def test_a_draft_is_seen_by_its_author_alone(
    client: httpx.Client, ann: Fields, bob: Fields, write_post: Write
) -> None:
    draft = write_post(ann)
    assert client.get(path_of(draft), headers=ann).json() == draft
    for stranger in (None, bob):
        assert_problem(client.get(path_of(draft), headers=stranger), 404)
        assert client.head(path_of(draft), headers=stranger).status_code == 404
    client.patch(path_of(draft), json={"published": True}, headers=ann)
    assert client.get(path_of(draft), headers=bob).status_code == 200
    client.patch(path_of(draft), json={"published": False}, headers=ann)
    assert_problem(client.get(path_of(draft), headers=bob), 404)


@pytest.mark.parametrize("published", [True, False])
def test_what_has_no_author_stays_everybody_s(
    client: httpx.Client, sql: Sql, bob: Fields, *, write_post: Write, published: bool
) -> None:
    old = write_post(bob, published=published)
    sql("UPDATE posts SET author_id = NULL")
    old["author_id"] = None
    for reader in (None, bob):
        assert client.get(path_of(old), headers=reader).json() == old
        assert client.get("/posts/", headers=reader).json() == [old]
    assert_problem(client.patch(path_of(old), json={"title": "New"}), 401)
    changed = client.patch(path_of(old), json={"title": "New"}, headers=bob)
    assert (changed.status_code, changed.json()["author_id"]) == (200, None)
    assert client.delete(path_of(old), headers=bob).status_code == 204


@pytest.fixture
def everyones(sql: Sql, ann: Fields, bob: Fields, write_post: Write) -> dict[str, int]:
    """A draft and a published post of each author and of nobody, each by a name."""
    made = {"anns": ann, "bobs": bob, "nobodys": ann}
    ids: dict[str, int] = {
        f"{name} {'text' if published else 'draft'}": write_post(author, published=published)["id"]
        for name, author in made.items()
        for published in (True, False)
    }
    sql(f"UPDATE posts SET author_id = NULL WHERE id >= {ids['nobodys text']}")
    return ids


EVERYBODYS = ["anns text", "bobs text", "nobodys text", "nobodys draft"]


@pytest.mark.parametrize(
    ("reader", "query", "shown"),
    [
        ("", "", EVERYBODYS),
        ("", "published=true", EVERYBODYS[:3]),
        ("", "published=false", ["nobodys draft"]),
        ("ann", "", [*EVERYBODYS, "anns draft"]),
        ("ann", "published=true", EVERYBODYS[:3]),
        ("ann", "published=false", ["anns draft", "nobodys draft"]),
        ("bob", "", [*EVERYBODYS, "bobs draft"]),
        ("bob", "published=false", ["bobs draft", "nobodys draft"]),
    ],
)
def test_a_list_has_no_draft_of_another(
    client: httpx.Client,
    everyones: dict[str, int],
    request: pytest.FixtureRequest,
    *,
    reader: str,
    query: str,
    shown: list[str],
) -> None:
    headers = request.getfixturevalue(reader) if reader else None
    expected = sorted(everyones[name] for name in shown)
    answer = client.get(f"/posts/?count=true&{query}", headers=headers)
    assert [post["id"] for post in answer.json()] == expected
    assert answer.headers["X-Total-Count"] == str(len(expected))
    paged = rows(client, f"/posts/?limit=1&{query}", headers)
    assert [post["id"] for post in paged] == expected


def test_a_service_without_callers_has_no_authors_and_is_open(
    client: httpx.Client, write_post: Write
) -> None:
    post = write_post()
    assert post["author_id"] is None
    fields = {"Authorization": f"Bearer {CANARY}"}  # for a service that knows callers
    assert client.get("/posts/", headers=fields).json() == [post]
    assert client.patch(path_of(post), json={"title": "New"}).status_code == 200
    assert client.delete(path_of(post), headers=fields).status_code == 204


def test_a_service_without_callers_keeps_what_has_an_author(
    client: httpx.Client, sql: Sql, write_post: Write
) -> None:
    draft, public = write_post(), write_post(published=True)
    sql("UPDATE posts SET author_id = 1")
    assert_problem(client.get(path_of(draft)), 404)
    assert_problem(client.delete(path_of(draft)), 404)
    assert_problem(client.patch(path_of(public), json={}), 403)
    assert [post["id"] for post in client.get("/posts/").json()] == [public["id"]]


def test_no_author_comes_between_the_permission_and_the_change(
    client: httpx.Client,
    database: Database,
    sql: Sql,
    ann: Fields,
    bob: Fields,
    *,
    write_post: Write,
) -> None:
    path = path_of(write_post(ann, published=True))
    sql("UPDATE posts SET author_id = NULL")
    with ThreadPoolExecutor() as threads:
        with database.engine.begin() as connection:  # it has the write lock
            connection.exec_driver_sql("UPDATE posts SET author_id = 1")
            change = threads.submit(client.patch, path, json={"title": "New"}, headers=bob)
            until(lambda: connections_at_work(database) > 1, "the change")
        assert_problem(change.result(), 403)
    assert client.get(path).json()["title"] == "A post"


def test_the_deployed_service_verifies_tokens_with_the_published_keys(tmp_path: Path) -> None:
    with publishing() as published:
        settings = {"BLOG_KEYS_URL": published.url, "BLOG_TOKEN_AUDIENCE": "readers"}
        with (
            BLOG.process(tmp_path, **settings) as (_, url),
            httpx.Client(base_url=url, trust_env=False) as client,
        ):
            assert client.get("/readyz").status_code == 200
            assert published.fetches == 0, "the start waits for nobody"
            [key] = published.keys
            forged = {"Authorization": f"Bearer {SigningKey().token(aud='readers')}"}
            other = key.bearer(7)
            good = {"Authorization": f"Bearer {key.token(sub='7', aud='readers')}"}
            assert client.post("/posts/", json={"title": "x"}).status_code == 401
            for fields in (forged, other):
                assert (
                    client.post("/posts/", json={"title": "x"}, headers=fields).status_code == 401
                )
            answer = client.post("/posts/", json={"title": "x"}, headers=good)
            assert (answer.status_code, answer.json()["author_id"]) == (201, 7)
            assert published.fetches == 1


def test_without_any_key_a_token_is_503_and_readers_without_one_are_served(
    tmp_path: Path,
) -> None:
    settings = {"BLOG_KEYS_URL": "http://127.0.0.1:9/jwks.json"}
    with (
        BLOG.process(tmp_path, **settings) as (_, url),
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        answer = client.get("/posts/", headers=SigningKey().bearer(1))
        assert_problem(answer, 503)
        assert answer.headers["Retry-After"] == "1"
        assert client.get("/posts/").json() == []
