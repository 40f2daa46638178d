"""Visibility: each list has, in its order, what its caller may see and asked for, each row once."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, NamedTuple

import httpx
import pytest

from chassis_testing.fixtures import Sql, Statements
from chassis_testing.keys import SigningKey
from chassis_testing.paging import pages

ANN, BOB = 7, 8
SORTS = ["id", "-id", "-published_at"]
FILTERS = [None, True, False]
OWNERS = [None, ANN, BOB, 9]
CALLERS = [None, ANN, BOB]


class Note(NamedTuple):
    id: int
    published: bool
    published_at: str | None
    owner_id: int | None


@pytest.fixture
def notes(sql: Sql) -> list[Note]:
    """Notes of two owners and of nobody: published ones, drafts and withdrawn ones."""
    begin = datetime(2026, 11, 28, 12, tzinfo=UTC)
    notes = []
    for number in range(48):
        published, was_published = number % 3 == 0, number % 7 != 0
        moment = begin - timedelta(seconds=number // 2 % 5)  # several at once, in no order
        at = f"'{moment:%Y-%m-%d %H:%M:%S}'" if was_published else None
        notes.append(Note(number + 1, published, at, [None, ANN, BOB, ANN][number % 4]))
    rows = ", ".join(
        f"({it.id}, 'x', {it.published}, {it.published_at or 'NULL'}, {it.owner_id or 'NULL'})"
        for it in notes
    )
    sql(f"INSERT INTO notes (id, text, published, published_at, owner_id) VALUES {rows}")
    return notes


def expected(
    notes: list[Note], sort: str, published: bool | None, owner: int | None, caller: int | None
) -> list[int]:
    seen = [
        note
        for note in notes
        if (note.published or note.owner_id in {None, caller})
        and published in {None, note.published}
        and owner in {None, note.owner_id}
    ]
    if sort == "-published_at":
        seen = [note for note in seen if note.published and note.published_at]
        seen.sort(key=lambda note: (note.published_at, note.id), reverse=True)
    elif sort == "-id":
        seen.reverse()
    return [note.id for note in seen]


def query(limit: int, sort: str, published: bool | None, owner: int | None) -> dict[str, Any]:
    asked = {"limit": limit, "sort": sort, "published": published, "owner_id": owner}
    return {name: value for name, value in asked.items() if value is not None} | {"count": True}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("sort", SORTS)
def test_the_links_lead_through_what_is_seen_once_and_in_order(
    client: httpx.Client, key: SigningKey, notes: list[Note], sort: str, caller: int | None
) -> None:
    headers = key.bearer(caller) if caller else {}
    for published, owner, limit in product(FILTERS, OWNERS, (5, 100)):
        wanted = expected(notes, sort, published, owner, caller)
        path = str(httpx.URL("/notes/", params=query(limit, sort, published, owner)))
        answers = list(pages(client, path, headers))
        found = [note["id"] for answer in answers for note in answer.json()]
        assert (path, found) == (path, wanted)
        assert {len(answer.json()) for answer in answers[:-1]} <= {limit}
        assert {answer.headers["X-Total-Count"] for answer in answers} == {str(len(wanted))}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("sort", SORTS)
def test_skip_leaves_out_the_first_of_what_is_seen(
    client: httpx.Client, key: SigningKey, notes: list[Note], sort: str, caller: int | None
) -> None:
    wanted = expected(notes, sort, None, None, caller)
    headers = key.bearer(caller) if caller else {}
    for skip in (1, 5, len(wanted) - 1, len(wanted), 10**6):
        found = client.get(f"/notes/?sort={sort}&skip={skip}&limit=4", headers=headers)
        assert [note["id"] for note in found.json()] == wanted[skip : skip + 4]


@pytest.mark.usefixtures("notes")
def test_a_list_by_time_that_asks_for_drafts_needs_no_statement(
    client: httpx.Client, statements: Statements
) -> None:
    answer = client.get("/notes/?sort=-published_at&published=false&count=true")
    assert (answer.json(), answer.headers["X-Total-Count"], statements) == ([], "0", [])
