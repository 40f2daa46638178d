"""Pages of the lists: skip and limit, the Link to the next page, the total."""

from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from conftest import User

COUNT = 47
Sql = Callable[[str], Sequence[Any]]


@pytest.fixture
def ids(sql: Sql, ann: User, bob: User) -> list[int]:
    """Articles whose ids have gaps: every third is published, every second is Ann's."""
    numbers = range(1, COUNT + 1)
    owners = (bob.id, ann.id)
    rows = (f"({n * 10}, 'x', 'x', {n % 3 == 0}, {owners[n % 2]})" for n in numbers)
    sql(
        f"INSERT INTO articles (id, title, content, is_published, owner_id) VALUES {','.join(rows)}"
    )
    return [number * 10 for number in numbers]


def pages(client: httpx.Client, path: str, user: User | None = None) -> list[httpx.Response]:
    """The page at this path and all that its links lead to."""
    headers = user.headers if user else {}
    found = [client.get(path, headers=headers)]
    while "next" in found[-1].links:
        found.append(client.get(found[-1].links["next"]["url"], headers=headers))
        assert len(found) <= COUNT + 1
    return found


def shown(answers: Sequence[httpx.Response]) -> list[int]:
    return [item["id"] for answer in answers for item in answer.json()]


def visible_to_ann(ids: list[int]) -> list[int]:
    return [number for number in ids if number // 10 % 3 == 0 or number // 10 % 2]


@pytest.mark.parametrize("limit", [1, 7, 30, 31, 32, 100])
def test_the_links_lead_through_all_that_the_caller_sees_once(
    client: httpx.Client, ids: list[int], ann: User, limit: int
) -> None:
    answers = pages(client, f"/articles/?limit={limit}&count=true", ann)
    assert shown(answers) == visible_to_ann(ids)
    assert {len(answer.json()) for answer in answers[:-1]} <= {limit}
    assert {answer.headers["X-Total-Count"] for answer in answers} == {"31"}
    assert answers[-1].json()


def test_a_page_has_twenty_unless_asked_otherwise(
    client: httpx.Client, ids: list[int], ann: User
) -> None:
    answers = pages(client, "/articles/", ann)
    assert [len(answer.json()) for answer in answers] == [20, 11]
    assert shown(answers[:1]) == visible_to_ann(ids)[:20]


def test_the_links_keep_what_was_asked_but_skip(
    client: httpx.Client, ids: list[int], ann: User
) -> None:
    query = f"is_published=false&owner_id={ann.id}&limit=4&count=true"
    answers = pages(client, f"/articles/?{query}&skip=3", ann)
    mine = [number for number in ids if number // 10 % 2 and number // 10 % 3]
    assert shown(answers) == mine[3:]
    assert answers[0].headers["Link"] == f'</articles/?{query}&after={mine[6]}>; rel="next"'
    assert {answer.headers["X-Total-Count"] for answer in answers} == {str(len(mine))}


def test_the_last_page_has_no_link(client: httpx.Client, ids: list[int]) -> None:
    assert shown([client.get("/articles/")]) == ids[2::3]
    assert "Link" not in client.get("/articles/").headers
    assert "Link" not in client.get("/articles/?limit=15").headers
    assert "Link" in client.get("/articles/?limit=14").headers


def test_skip_limit_and_after_cut_the_list(client: httpx.Client, ids: list[int]) -> None:
    published = ids[2::3]
    assert shown([client.get("/articles/?skip=10&limit=3")]) == published[10:13]
    assert shown([client.get(f"/articles/?after={published[9]}&limit=3")]) == published[10:13]
    assert shown([client.get(f"/articles/?after={published[9] + 1}")]) == published[10:]
    assert client.get("/articles/?skip=1000000&limit=100").json() == []
    assert client.get(f"/articles/?after={2**63 - 1}").json() == []


def test_an_article_removed_between_two_pages_costs_no_other(
    client: httpx.Client, ids: list[int], sql: Sql
) -> None:
    published = ids[2::3]
    first = client.get("/articles/?limit=5")
    sql(f"DELETE FROM articles WHERE id IN ({published[0]}, {published[4]})")
    assert shown(pages(client, first.links["next"]["url"])) == published[5:]


def test_the_users_are_paged_alike(client: httpx.Client, sign_in: Callable[[str], User]) -> None:
    users = [sign_in(f"user{number}") for number in range(7)]
    answers = pages(client, "/users/?limit=3&count=true", users[0])
    assert shown(answers) == [user.id for user in users]
    assert {answer.headers["X-Total-Count"] for answer in answers} == {"7"}
    assert answers[0].headers["Link"] == (
        f'</users/?limit=3&count=true&after={users[2].id}>; rel="next"'
    )
    skipped = client.get("/users/?skip=6", headers=users[0].headers)
    assert shown([skipped]) == [users[6].id]
    assert "X-Total-Count" not in skipped.headers


def test_a_page_of_long_texts_is_shorter_and_the_links_still_lead_through_all(
    client: httpx.Client, ann: User, write_article: Callable[..., dict[str, Any]]
) -> None:
    long = "\U0001f600" * 100_000
    ids = [write_article(ann, content=long, is_published=True)["id"] for _ in range(12)]
    answers = pages(client, "/articles/?limit=100")
    assert [article["id"] for answer in answers for article in answer.json()] == ids
    assert [len(answer.json()) for answer in answers] == [5, 5, 2]
