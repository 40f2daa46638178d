# ruff: noqa: RUF001 - letters that look alike
"""Search: what a word is, and which words are equal, is the same for both engines."""

import random
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
import sample
import sqlalchemy as sa
from conftest import SAMPLE

from chassis.database import Database
from chassis.pages import TextPage
from chassis.pagination import EVERYTHING, fetch_page
from chassis_testing import postgres
from chassis_testing.postgres import administer
from chassis_testing.searches import CASES

ALPHABETS = [
    *("abcABC", "áéíóúÄÖÜßẞçñøæœ", "ſıİǅǆﬁ", "ạảấầẩẫậắằặờởỡợ", "αάΆΐϊΰώΏςσΣ", "йЙёЁїўъыӂ"),
    *("e\u0301\u0300\u0308\u0342\u0345\u20dd", "אבגשׁ", "ابتٱ", "हिन्दीक़", "ভাষা", "ภาษาที่"),
    *(
        "한국어각",
        "東京都豈",
        "かがガ\u3099",
        "ＡＢｃ１２",
        "0123456789",
        "²½Ⅷ①٣",
        " \t\n\u00a0\u3000",
    ),
    *("-_.,:;'\"()*&|!<>^+\\", "«»„“”’…—·", "€₿→∑©®°", "🚀🎉🤣🥳❤\ufe0f\u200d"),
    *("\u200b\u200c\u00ad\u2066\ufeff", "\ue000\U000f0000\U000e0fff"),
]
NOTES = 150
QUERIES = 400
# Letters whose lower case is another one for PostgreSQL, since Unicode 15.1.
RECENT = {"\u1fd3", "\u1fe3", "\ufb05"}
# Capitals that PostgreSQL before 18 keeps as small letters, which SQLite does not know.
CHEROKEE = set(map(chr, range(0x13A0, 0x13F5)))


@pytest.fixture(scope="session")
def older_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.URL]:
    """A server before PostgreSQL 18, where Debian's packages have installed one."""
    found = sorted(Path("/usr/lib/postgresql").glob("1[4-7]/bin"))
    if not found:
        pytest.skip("no older PostgreSQL is installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres, "find_programs", lambda: found[0])
        patch.setattr(postgres, "LOCALE", ["--no-locale", "--encoding=UTF8"])
        with postgres.running(tmp_path_factory.mktemp("older")) as url:
            yield url


@pytest.fixture(params=["postgresql", "older_postgresql"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    """The sample's tables in both engines."""
    postgresql, name = request.getfixturevalue(request.param), "inkwell_both"
    administer(postgresql, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    lite = SAMPLE.database_at(sa.URL.create("sqlite", database=f"{tmp_path}/both.db"))
    full = SAMPLE.database_at(postgresql.set(database=name))
    for database in (lite, full):
        sample.Base.metadata.create_all(database.engine)
    yield lite, full
    for database in (lite, full):
        database.close()
    administer(postgresql, f"DROP DATABASE {name}")


def random_text(chance: random.Random, length: int) -> str:
    alphabets = chance.sample(ALPHABETS, 3)
    return "".join(chance.choice(chance.choice(alphabets)) for _ in range(length))


def found(database: Database, query: str) -> list[int]:
    with database.read_session() as db:
        page = TextPage(q=query, limit=100)
        selection = sample.NOTE_SEARCH.find(db, page, EVERYTHING.parts, {}, is_narrow=False)
        return [row["id"] for row in fetch_page(db, sample.SHOWN, page, selection)]


def test_both_engines_say_of_a_case_what_the_table_says(
    both: tuple[Database, Database], subtests: pytest.Subtests
) -> None:
    for number, (note, query, is_found) in enumerate(CASES, start=1):
        for database in both:
            with database.engine.begin() as connection:
                connection.execute(sa.insert(sample.Note), [{"id": number, "text": note}])
            with subtests.test(note=note[:40], query=query[:40]):
                assert (number in found(database, query)) == is_found


def test_both_engines_find_the_same_in_random_texts(both: tuple[Database, Database]) -> None:
    seed = random.randrange(sys.maxsize)
    chance = random.Random(seed)
    notes = [random_text(chance, chance.randint(1, 60)) for _ in range(NOTES)]
    rows = [{"id": number, "text": note} for number, note in enumerate(notes, start=1)]
    for database in both:
        with database.engine.begin() as connection:
            connection.execute(sa.insert(sample.Note), rows)
    hits = 0
    for _ in range(QUERIES):
        note = chance.choice(notes)
        start = chance.randrange(len(note))
        query = note[start : start + chance.randint(1, 12)]
        query = chance.choice([query, query.upper(), query.lower()])
        on_sqlite, on_postgresql = (found(database, query) for database in both)
        assert on_sqlite == on_postgresql, (seed, query)
        hits += len(on_sqlite)
    assert hits > QUERIES // 10


def words_on_postgresql(database: Database, characters: list[str]) -> dict[int, set[str]]:
    query = sa.text(
        "SELECT ascii(one), tsvector_to_array(notes_search_words('q' || one || 'q'))"
        " FROM unnest(CAST(:characters AS text[])) AS one"
    )
    with database.engine.begin() as connection:
        rows = connection.execute(query, {"characters": characters}).all()
    return {code: set(words) for code, words in rows}


def words_on_sqlite(database: Database, characters: list[str]) -> dict[int, set[str]]:
    words: dict[int, set[str]] = {ord(one): set() for one in characters}
    with database.engine.begin() as connection:
        rows = [{"id": ord(one), "text": f"q{one}q"} for one in characters]
        connection.execute(sa.insert(sample.Note), rows)
        vocabulary = "CREATE VIRTUAL TABLE vocabulary USING fts5vocab(notes_search_words, instance)"
        connection.exec_driver_sql(vocabulary)
        for term, code in connection.exec_driver_sql("SELECT term, doc FROM vocabulary"):
            words[code].add(term)
        connection.exec_driver_sql("DROP TABLE vocabulary")
        connection.execute(sa.delete(sample.Note))
    return words


@pytest.mark.slow
def test_both_engines_agree_on_every_character_that_is_older_than_2003(
    both: tuple[Database, Database],
) -> None:
    old = unicodedata.ucd_3_2_0
    for first in range(1, sys.maxunicode + 1, 0x4000):
        several = map(chr, range(first, min(first + 0x4000, sys.maxunicode + 1)))
        chosen = [one for one in several if old.category(one) not in {"Cn", "Cs"}]
        chosen = [one for one in chosen if one not in RECENT | CHEROKEE]
        if chosen:
            lite, full = words_on_sqlite(both[0], chosen), words_on_postgresql(both[1], chosen)
            assert {code: lite[code] for code in full} == full
