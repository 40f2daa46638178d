"""Pages of the list: skip and limit, the Link to the next page, the total."""

from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

COUNT = 47


@pytest.fixture
def ids(sql: Callable[[str], Sequence[Any]]) -> list[int]:
    """Posts whose ids have gaps; every third is published."""
    for number in range(1, COUNT + 1):
        sql(
            "INSERT INTO posts (id, title, published) "
            f"VALUES ({number * 10}, 'x', {number % 3 == 0})"
        )
    return [number * 10 for number in range(1, COUNT + 1)]


def pages(client: httpx.Client, path: str) -> list[httpx.Response]:
    """The page at this path and all that its links lead to."""
    found = [client.get(path)]
    while "next" in found[-1].links:
        found.append(client.get(found[-1].links["next"]["url"]))
        assert len(found) <= COUNT + 1
    return found


def shown(answers: Sequence[httpx.Response]) -> list[int]:
    return [post["id"] for answer in answers for post in answer.json()]


@pytest.mark.parametrize("limit", [1, 7, 46, 47, 48, 100])
def test_the_links_lead_through_all_once(client: httpx.Client, ids: list[int], limit: int) -> None:
    answers = pages(client, f"/posts/?limit={limit}")
    assert shown(answers) == ids
    assert {len(answer.json()) for answer in answers[:-1]} <= {limit}
    assert answers[-1].json()


def test_a_page_has_twenty_unless_asked_otherwise(client: httpx.Client, ids: list[int]) -> None:
    assert [len(answer.json()) for answer in pages(client, "/posts/")] == [20, 20, 7]
    assert shown([client.get("/posts/")]) == ids[:20]


def test_the_links_keep_what_was_asked_but_skip(client: httpx.Client, ids: list[int]) -> None:
    answers = pages(client, "/posts/?published=true&limit=4&count=true&skip=3")
    assert shown(answers) == ids[2::3][3:]
    assert answers[0].headers["Link"] == (
        '</posts/?published=true&limit=4&count=true&after=210>; rel="next"'
    )
    assert {answer.headers["X-Total-Count"] for answer in answers} == {"15"}


def test_the_link_names_the_path_without_a_host(client: httpx.Client, ids: list[int]) -> None:
    assert client.get("/posts/?limit=1").headers["Link"] == (
        f'</posts/?limit=1&after={ids[0]}>; rel="next"'
    )


def test_the_last_page_has_no_link(client: httpx.Client, ids: list[int]) -> None:
    assert "Link" not in client.get(f"/posts/?skip={COUNT - 20}").headers
    assert "Link" not in client.get(f"/posts/?after={ids[-21]}").headers
    assert "Link" not in client.get(f"/posts/?after={ids[-1]}").headers


def test_skip_and_limit_cut_the_list(client: httpx.Client, ids: list[int]) -> None:
    assert shown([client.get("/posts/?skip=40&limit=5")]) == ids[40:45]
    assert client.get("/posts/?skip=1000000&limit=100").json() == []


def test_after_gives_what_follows_an_id_that_need_not_exist(
    client: httpx.Client, ids: list[int]
) -> None:
    assert shown([client.get("/posts/?after=401")]) == ids[40:]
    assert shown([client.get("/posts/?after=400")]) == ids[40:]
    assert client.get(f"/posts/?after={2**63 - 1}").json() == []


def test_a_post_removed_between_two_pages_costs_no_other(
    client: httpx.Client, ids: list[int]
) -> None:
    first = client.get("/posts/?limit=10")
    client.delete(f"/posts/{ids[0]}")
    client.delete(f"/posts/{ids[9]}")
    assert shown(pages(client, first.links["next"]["url"])) == ids[10:]


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("", 47),
        ("&published=true", 15),
        ("&published=false", 32),
        ("&skip=40", 47),
        ("&after=9", 47),
    ],
)
def test_the_total_is_that_of_the_filter_whatever_the_page(
    client: httpx.Client, ids: list[int], query: str, total: int
) -> None:
    assert len(ids) == COUNT
    answer = client.get(f"/posts/?count=true&limit=2{query}")
    assert answer.headers["X-Total-Count"] == str(total)


def test_the_total_is_not_counted_unless_asked_for(client: httpx.Client) -> None:
    assert "X-Total-Count" not in client.get("/posts/").headers
    assert "X-Total-Count" not in client.get("/posts/?count=false").headers


def test_a_page_of_long_texts_is_shorter_and_the_links_still_lead_through_all(
    client: httpx.Client, write_post: Callable[..., dict[str, Any]]
) -> None:
    ids = [write_post(body="\U0001f600" * 100_000)["id"] for _ in range(12)]
    answers = pages(client, "/posts/?limit=100")
    assert shown(answers) == ids
    assert [len(answer.json()) for answer in answers] == [5, 5, 2]
