"""Search in a million rows: a deep page costs what the first one costs, whatever the word."""

from datetime import UTC, datetime

import httpx
import pytest

from chassis.database import Database
from chassis.pages import encode_cursor
from chassis_testing.fixtures import Sql, Statements
from chassis_testing.work import work_of

pytestmark = pytest.mark.slow

ROWS = 1_000_000
BATCH = 5_000
MOMENT = {
    "postgresql": "timestamptz '2026-01-01 00:00:00Z' + interval '1 second' * n",
    "sqlite": "datetime('2026-01-01 00:00:00', n || ' seconds')",
}
DEEP = encode_cursor(datetime(2026, 1, 1, 0, 16, 40, tzinfo=UTC), 1000)
BEGINS = {
    "id": ["", f"&after={ROWS // 2}", f"&after={ROWS - 1000}"],
    "-id": ["", f"&after={ROWS // 2}", "&after=1000"],
    "-published_at": ["", f"&cursor={DEEP}"],
}
MOST = {"postgresql": 300, "sqlite": 50}


@pytest.fixture
def million(sql: Sql, database: Database) -> None:
    """As many published notes, all with a frequent word, ten with a rare one."""
    moment = MOMENT[database.engine.dialect.name]
    for first in range(1, ROWS, BATCH):
        numbers = (
            f"SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {first + BATCH - 1}"
        )
        rare = f"CASE WHEN n % {ROWS // 10} = 7 THEN ' rare' ELSE '' END"
        sql(
            f"WITH RECURSIVE numbers (n) AS ({numbers}) "
            "INSERT INTO notes (id, text, published, published_at) "
            f"SELECT n, 'frequent word' || n || {rare}, true, {moment} FROM numbers"
        )
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")


@pytest.mark.usefixtures("million")
def test_a_page_of_a_search_costs_what_the_first_one_costs(
    client: httpx.Client, database: Database, statements: Statements, subtests: pytest.Subtests
) -> None:
    engine = database.engine.dialect.name
    for word, expected in (("rare", 10), ("frequent", 20), ("frequent rare", 10)):
        for sort, begins in BEGINS.items():
            works = []
            for begin in begins:
                statements.clear()
                answer = client.get("/notes/?published=true&q=" + f"{word}&sort={sort}{begin}")
                assert begin or len(answer.json()) == expected
                works.append(sum(work_of(database, *it) for it in list(statements)))
            with subtests.test(word=word, sort=sort):
                assert max(works) <= works[0] * 1.2 + 5
                # SQLite has no order by time that knows the words: it reads the ids of all hits.
                assert works[0] <= MOST[engine] or (word, sort, engine) == (
                    "frequent",
                    "-published_at",
                    "sqlite",
                )
