"""Pages: the links lead through all rows once, and the count is that of the page's snapshot."""

from collections.abc import Iterable

import httpx
import pytest
from conftest import Write
from sqlalchemy import event

from chassis.database import Database
from chassis.pagination import MAX_CHARACTERS, Row, _length
from chassis_testing.fixtures import Sql
from chassis_testing.paging import pages

COUNT = 47


def row(*values: object) -> Row:
    return {str(index): value for index, value in enumerate(values)}


@pytest.mark.parametrize(
    ("lengths", "limit", "shown"),
    [
        ([1, 1, 1], 2, 2),
        ([], 20, 20),
        ([MAX_CHARACTERS, 0, 1, 1], 20, 2),
        ([MAX_CHARACTERS + 1, 1], 20, 1),
        ([MAX_CHARACTERS // 2] * 9, 20, 2),
    ],
)
def test_a_page_of_long_texts_is_shorter_but_never_empty(
    lengths: list[int], limit: int, shown: int
) -> None:
    assert _length([row(1, None, "x" * length) for length in lengths], limit) == shown


@pytest.fixture
def ids(sql: Sql) -> list[int]:
    """Notes whose ids have gaps."""
    ids = [number * 10 for number in range(1, COUNT + 1)]
    rows = ", ".join(f"({number}, 'x')" for number in ids)
    sql(f"INSERT INTO notes (id, text) VALUES {rows}")
    return ids


def shown(answers: Iterable[httpx.Response]) -> list[int]:
    return [note["id"] for answer in answers for note in answer.json()]


@pytest.mark.parametrize("limit", [1, 7, 46, 47, 48, 100])
def test_the_links_lead_through_all_once(client: httpx.Client, ids: list[int], limit: int) -> None:
    answers = list(pages(client, f"/notes/?limit={limit}"))
    assert shown(answers) == ids
    assert {len(answer.json()) for answer in answers[:-1]} <= {limit}
    assert answers[-1].json()


def test_a_page_has_twenty_unless_asked_otherwise(client: httpx.Client, ids: list[int]) -> None:
    assert [len(answer.json()) for answer in pages(client, "/notes/")] == [20, 20, 7]
    assert shown([client.get("/notes/")]) == ids[:20]


def test_the_links_keep_what_was_asked_but_skip(client: httpx.Client, ids: list[int]) -> None:
    answers = list(pages(client, "/notes/?limit=4&count=true&skip=3"))
    assert shown(answers) == ids[3:]
    assert answers[0].headers["Link"] == '</notes/?limit=4&count=true&after=70>; rel="next"'
    assert {answer.headers["X-Total-Count"] for answer in answers} == {str(COUNT)}


def test_the_last_page_has_no_link(client: httpx.Client, ids: list[int]) -> None:
    assert "Link" not in client.get(f"/notes/?skip={COUNT - 20}").headers
    assert "Link" not in client.get(f"/notes/?after={ids[-21]}").headers
    assert "Link" not in client.get(f"/notes/?after={ids[-1]}").headers


def test_skip_limit_and_after_cut_the_list(client: httpx.Client, ids: list[int]) -> None:
    assert shown([client.get("/notes/?skip=40&limit=5")]) == ids[40:45]
    assert client.get("/notes/?skip=1000000&limit=100").json() == []
    assert shown([client.get("/notes/?after=401")]) == ids[40:]
    assert shown([client.get("/notes/?after=400")]) == ids[40:]


def test_a_row_removed_between_two_pages_costs_no_other(
    client: httpx.Client, ids: list[int]
) -> None:
    first = client.get("/notes/?limit=10")
    client.delete(f"/notes/{ids[0]}")
    client.delete(f"/notes/{ids[9]}")
    assert shown(pages(client, first.links["next"]["url"])) == ids[10:]


def test_the_total_is_counted_only_when_asked_for(client: httpx.Client, ids: list[int]) -> None:
    assert "X-Total-Count" not in client.get("/notes/").headers
    assert "X-Total-Count" not in client.get("/notes/?count=false").headers
    answer = client.get("/notes/?count=true&skip=40&limit=2")
    assert answer.headers["X-Total-Count"] == str(len(ids))


def test_the_count_and_the_page_of_one_answer_agree_while_others_write(
    client: httpx.Client, database: Database, sql: Sql
) -> None:
    def write(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "count(" in statement:
            sql("INSERT INTO notes (text) VALUES ('x')")

    event.listen(database.read_engine, "after_cursor_execute", write)
    for number in range(3):
        answer = client.get("/notes/?count=true")
        assert (answer.headers["X-Total-Count"], len(answer.json())) == (str(number), number)


def test_a_page_of_long_texts_is_shorter_and_the_links_still_lead_through_all(
    client: httpx.Client, write_note: Write
) -> None:
    ids = [write_note("\U0001f600" * 100_000)["id"] for _ in range(12)]
    answers = list(pages(client, "/notes/?limit=100"))
    assert shown(answers) == ids
    assert [len(answer.json()) for answer in answers] == [5, 5, 2]
