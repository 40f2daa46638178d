"""Lists of a million posts: a page reads what a page has, wherever it begins."""

from datetime import UTC, datetime
from itertools import product

import httpx
import pytest

from chassis.database import Database
from chassis.pages import encode_cursor
from chassis_testing.fixtures import Sql, Statements
from chassis_testing.work import work_of

pytestmark = pytest.mark.slow

ROWS = 1_000_000
MIDDLE = encode_cursor(datetime(2026, 1, 6, 18, tzinfo=UTC), ROWS // 2)
BEGINS = {
    "id": ["", f"&after={ROWS // 2}", f"&after={ROWS - 1000}"],
    "-id": ["", f"&after={ROWS // 2}", "&after=1000"],
    "-published_at": ["", f"&cursor={MIDDLE}"],
}
FILTERS = ["", "&published=true", "&published=false"]
AUTHORS = ["", "&author_id=1", "&author_id=7"]
MOST = 30  # hundreds of instructions for 20 rows of each of three parts


@pytest.fixture
def million(sql: Sql) -> None:
    """As many posts, of a thousand authors and of nobody; one in ten is a draft."""
    sql(
        "WITH RECURSIVE numbers (n) AS "
        f"(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {ROWS}) "
        "INSERT INTO posts (title, published, author_id, published_at) "
        "SELECT 'x', n % 10 > 0, nullif(n / 7 % 1000, 0), CASE WHEN n % 10 > 0 THEN "
        "datetime('2026-01-01 00:00:00', (n * 77 % 1000003) || ' seconds') END FROM numbers"
    )


@pytest.mark.usefixtures("million")
@pytest.mark.parametrize("analyzed", [False, True])
def test_a_page_of_a_million_reads_a_page_wherever_it_begins(
    client: httpx.Client,
    database: Database,
    sql: Sql,
    statements: Statements,
    subtests: pytest.Subtests,
    *,
    ann: dict[str, str],
    analyzed: bool,
) -> None:
    if analyzed:
        sql("ANALYZE")
    for sort, filters, author, headers in product(BEGINS, FILTERS, AUTHORS, ({}, ann)):
        for begin in BEGINS[sort]:
            path = f"/posts/?sort={sort}{filters}{author}{begin}"
            statements.clear()
            assert client.get(path, headers=headers).status_code == 200
            with subtests.test(f"{path} {bool(headers)}"):
                works = [work_of(database, *it) for it in list(statements)]
                assert sum(works) <= MOST
