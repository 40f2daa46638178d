"""Articles that many people change: ETag, If-Match and If-None-Match."""

from concurrent.futures import ThreadPoolExecutor

import httpx
from conftest import User, Write

from chassis_testing.fixtures import Sql
from chassis_testing.problem import assert_problem


def test_the_tag_of_an_article_changes_with_it(client: httpx.Client, ann: User) -> None:
    body = {"title": "T", "content": "C"}
    created = client.post("/articles/", json=body, headers=ann.headers)
    path, tag = created.headers["Location"], created.headers["ETag"]
    known = {**ann.headers, "If-None-Match": tag}
    assert client.get(path, headers=known).status_code == 304
    changing = {**ann.headers, "If-Match": tag}
    changed = client.patch(path, json={"is_published": True}, headers=changing)
    assert changed.status_code == 200
    assert client.get(path).headers["ETag"] == changed.headers["ETag"] != tag
    assert client.get(path, headers=known).json() == changed.json()
    assert_problem(client.patch(path, json={"title": "New"}, headers=changing), 412)
    assert_problem(client.delete(path, headers=changing), 412)
    assert client.get(path).json() == changed.json()
    last = {**ann.headers, "If-Match": changed.headers["ETag"]}
    assert client.delete(path, headers=last).status_code == 204
    assert_problem(client.delete(path, headers=last), 404)


def test_the_tag_of_an_article_changes_with_the_email_of_its_owner(
    client: httpx.Client, write_article: Write, ann: User, bob: User, sql: Sql
) -> None:
    path = f"/articles/{write_article(ann, is_published=True)['id']}"
    before = client.get(path)
    sql(f"UPDATE users SET email = 'bob@example.org' WHERE id = {bob.id}")
    headers = {"If-None-Match": before.headers["ETag"]}
    assert client.get(path, headers=headers).status_code == 304
    sql(f"UPDATE users SET email = 'ann@example.org' WHERE id = {ann.id}")
    after = client.get(path, headers=headers)
    assert (after.status_code, after.json()["owner_email"]) == (200, "ann@example.org")
    assert after.headers["ETag"] != before.headers["ETag"]
    changing = {**ann.headers, "If-Match": before.headers["ETag"]}
    assert_problem(client.patch(path, json={"title": "New"}, headers=changing), 412)


def test_a_tag_opens_nothing_that_the_caller_may_not_see_or_change(
    client: httpx.Client, write_article: Write, ann: User, bob: User
) -> None:
    draft, public = write_article(ann), write_article(ann, is_published=True)
    for field, value in (("If-Match", "*"), ("If-None-Match", "*"), ("If-Match", '"0"')):
        headers = {**bob.headers, field: value}
        expected = {f"/articles/{draft['id']}": 404, f"/articles/{public['id']}": 403}
        for path, status in expected.items():
            assert_problem(client.patch(path, json={}, headers=headers), status)
            assert_problem(client.delete(path, headers=headers), status)
            assert_problem(client.patch(path, json={"title": 1}, headers=headers), 422)
            assert_problem(client.delete(path, headers={field: value}), 401)
            invalid = {field: value, "Authorization": "Bearer x"}
            assert_problem(client.get(path, headers=invalid), 401)
        assert_problem(client.get(f"/articles/{draft['id']}", headers=headers), 404)


def test_of_twenty_changes_at_once_with_one_tag_one_is_made(
    client: httpx.Client, write_article: Write, ann: User
) -> None:
    path = f"/articles/{write_article(ann)['id']}"
    tag = client.get(path, headers=ann.headers).headers["ETag"]
    headers = {**ann.headers, "If-Match": tag}

    def change(number: int) -> int:
        return client.patch(path, json={"title": f"{number}"}, headers=headers).status_code

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(change, range(20))) == [200, *[412] * 19]
