"""Search: both engines find the same rows, and keep the words of each row by themselves."""

from collections.abc import Callable

import httpx
import pytest
import sample
from sqlalchemy import text

from chassis.database import Database
from chassis.pages import TextPage
from chassis.pagination import EVERYTHING, count_rows, fetch_page
from chassis.search import FEW
from chassis.search_upkeep import create_search, drop_search
from chassis_testing import schema
from chassis_testing.fixtures import Sql
from chassis_testing.paging import pages
from chassis_testing.problem import assert_refused
from chassis_testing.searches import CASES

Find = Callable[..., list[int]]


@pytest.fixture
def find(database: Database) -> Find:
    """Returns the ids of the notes that a query finds."""

    def ids(query: str, *, is_narrow: bool = False) -> list[int]:
        page = TextPage(q=query, limit=100)
        with database.read_session() as db:
            found = sample.NOTE_SEARCH.find(db, page, EVERYTHING.parts, {}, is_narrow=is_narrow)
            rows = fetch_page(db, sample.SHOWN, page, found)
            assert count_rows(db, sample.SHOWN, found) == len(rows)
            return [row["id"] for row in rows]

    return ids


@pytest.fixture
def write(database: Database) -> Callable[[str], int]:
    """Writes a note with plain SQL, as anything may that has the database open."""

    def insert(note: str) -> int:
        with database.engine.begin() as connection:
            insertion = text("INSERT INTO notes (text) VALUES (:text) RETURNING id")
            written: int = connection.execute(insertion, {"text": note}).scalar_one()
            return written

    return insert


def test_both_engines_find_what_the_table_of_cases_says(
    find: Find, write: Callable[[str], int], subtests: pytest.Subtests
) -> None:
    for note, query, is_found in CASES:
        with subtests.test(note=note[:40], query=query[:40]):
            written = write(note)
            assert (written in find(query)) == is_found
            assert (written in find(query, is_narrow=True)) == is_found


def test_the_search_follows_every_change_of_a_text(
    find: Find, write: Callable[[str], int], sql: Sql
) -> None:
    kept, changed, removed = (write("One old word") for _ in range(3))
    sql(f"UPDATE notes SET text = 'One new word' WHERE id = {changed}")
    sql(f"UPDATE notes SET version = 9 WHERE id = {kept}")
    sql(f"DELETE FROM notes WHERE id = {removed}")
    assert find("old") == [kept]
    assert find("new") == [changed]
    assert find("one word") == [kept, changed]
    sql("DELETE FROM notes")
    assert find("one") == []


@pytest.mark.parametrize(
    "note",
    [
        "x" * 100_000,
        "\U0001f600" * 100_000,
        "각" * 100_000,
        "각 " * 50_000,
        "\U0001109a " * 50_000,
        "ß" * 100_000,
        "a\u0301\u0328" * 33_333,
        "ΐ" * 100_000,
        " ".join(chr(0x4E00 + number) for number in range(20_000)),
        " ".join(chr(0x10000 + number) for number in range(50_000) if number != 0x1F600),
        " ".join(chr(0x20000 + number) + "\U00020000" for number in range(33_000)),
        "'\"\\%:;" * 10_000,
    ],
    ids=lambda note: ascii(note)[:20],
)
def test_a_text_of_any_kind_and_length_is_stored(
    find: Find, write: Callable[[str], int], note: str
) -> None:
    written = write(f"found {note}"[:100_000])
    assert find("found") == [written]


def test_the_words_of_rows_that_are_there_already_are_filled_in(
    database: Database, find: Find, write: Callable[[str], int], sql: Sql
) -> None:
    with database.engine.begin() as connection:
        drop_search(connection, "notes", "text")
    notes = [write(f"An old note, the {number}.") for number in range(25)]
    with database.engine.begin() as connection:
        create_search(connection, "notes", "text")
    sql(f"UPDATE notes SET text = 'A changed note' WHERE id = {notes[3]}")
    sql(f"DELETE FROM notes WHERE id = {notes[4]}")
    later = write("A later note")
    assert find("note") == [notes[3], later]
    for _ in range(2):
        sample.NOTE_SEARCH.fill(database)
        assert find("note") == [*notes[:4], *notes[5:], later]
        assert find("old 7") == [notes[7]]
        assert find("changed") == [notes[3]]


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_the_fill_is_not_ended_by_the_limits_of_requests(
    database: Database, write: Callable[[str], int], sql: Sql
) -> None:
    with database.engine.begin() as connection:
        drop_search(connection, "notes", "text")
    for number in range(10):
        write(" ".join(str(word) for word in range(number, 17_000)))
    with database.engine.begin() as connection:
        create_search(connection, "notes", "text")
        name = connection.scalar(text("SELECT current_database()"))
    sql(f"ALTER ROLE CURRENT_ROLE IN DATABASE {name} SET statement_timeout = '50ms'")
    database.engine.dispose()  # the connections that have the former limit
    sample.NOTE_SEARCH.fill(database)
    with database.migration() as connection:
        missing = "SELECT count(*) FROM notes WHERE search_words IS NULL"
        assert connection.scalar(text(missing)) == 0


def test_the_fill_makes_the_schema_of_the_models(
    database: Database, write: Callable[[str], int]
) -> None:
    before = schema.read(database)
    write("A note")
    with database.engine.begin() as connection:
        drop_search(connection, "notes", "text")
        create_search(connection, "notes", "text")
    sample.NOTE_SEARCH.fill(database)
    assert schema.read(database) == before


@pytest.fixture
def notes(sql: Sql) -> None:
    """Thirty published notes, every third with the word; the later ones were published first."""
    rows = ", ".join(
        f"({number}, '{text}', true, '2026-11-{number:02} 08:00:00', 7)"
        for number, text in enumerate(["No", "No", "A word"] * 10, start=1)
    )
    sql(f"INSERT INTO notes (id, text, published, published_at, owner_id) VALUES {rows}")
    sql("UPDATE notes SET published_at = '2026-10-01 08:00:00' WHERE id > 20")
    sql("INSERT INTO notes (id, text, published) VALUES (31, 'A word', false)")


@pytest.mark.parametrize("few", [-1, FEW])
@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("sort=id", [*range(3, 31, 3), 31]),
        ("sort=-id", [31, *range(30, 0, -3)]),
        ("sort=-published_at", [18, 15, 12, 9, 6, 3, 30, 27, 24, 21]),
        ("published=true&sort=-id", list(range(30, 0, -3))),
        ("published=false", [31]),
        ("owner_id=7", list(range(3, 31, 3))),
        ("owner_id=7&sort=-published_at", [18, 15, 12, 9, 6, 3, 30, 27, 24, 21]),
        ("owner_id=8", []),
    ],
)
@pytest.mark.usefixtures("notes")
def test_the_pages_of_a_search_lead_through_all_in_each_order(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, query: str, order: list[int], few: int
) -> None:
    monkeypatch.setattr("chassis.search.FEW", few)
    answers = list(pages(client, f"/notes/?q=WORD&limit=4&count=true&{query}"))
    assert [note["id"] for answer in answers for note in answer.json()] == order
    assert {answer.headers["X-Total-Count"] for answer in answers} == {str(len(order))}
    assert len(answers) <= 3
    skipped = client.get(f"/notes/?q=WORD&skip=2&limit=3&{query}").json()
    assert [note["id"] for note in skipped] == order[2:5]


@pytest.mark.usefixtures("notes")
def test_a_draft_of_somebody_else_is_not_found(client: httpx.Client, sql: Sql) -> None:
    sql("UPDATE notes SET owner_id = 8 WHERE id = 31")
    for query in ("", "&published=false", "&owner_id=8"):
        assert 31 not in [note["id"] for note in client.get(f"/notes/?q=word{query}").json()]


@pytest.mark.parametrize("query", ["", "x" * 201, "a%00b", "a&q=b"])
def test_a_query_out_of_bounds_is_refused(client: httpx.Client, query: str) -> None:
    assert_refused(client.get(f"/notes/?q={query}"), "query", "q")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_index_of_sqlite_is_whole(write: Callable[[str], int], sql: Sql, find: Find) -> None:
    for note, _query, _found in CASES:
        write(note)
    sql("UPDATE notes SET text = text || ' Straße' WHERE id % 2 = 0")
    sql("DELETE FROM notes WHERE id % 3 = 0")
    sql("INSERT INTO notes_search_words (notes_search_words, rank) VALUES ('integrity-check', 1)")
    assert len(find("strasse")) > len(CASES) // 4
