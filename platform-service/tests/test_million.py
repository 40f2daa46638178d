"""Lists of a million articles: a page reads what a page has, wherever it begins."""

from datetime import UTC, datetime
from itertools import product

import httpx
import pytest
from conftest import User

from chassis.database import Database
from chassis.pages import encode_cursor
from chassis_testing.fixtures import Sql, Statements
from chassis_testing.work import work_of

pytestmark = pytest.mark.slow

ROWS = 1_000_000
BATCH = 10_000
MOMENT = {
    "postgresql": "timestamptz '2026-01-01 00:00:00Z' + interval '1 second' * {}",
    "sqlite": "datetime('2026-01-01 00:00:00', {} || ' seconds')",
}
MIDDLE = encode_cursor(datetime(2026, 1, 6, 18, tzinfo=UTC), ROWS // 2)
BEGINS = {
    "id": ["", f"&after={ROWS // 2}", f"&after={ROWS - 1000}"],
    "-id": ["", f"&after={ROWS // 2}", "&after=1000"],
    "-published_at": ["", f"&cursor={MIDDLE}"],
}
FILTERS = ["", "&is_published=true", "&is_published=false"]
OWNERS = ["", "&owner_id=1", "&owner_id=7"]
MOST = {"postgresql": 250, "sqlite": 20}  # for 20 rows of each of two parts


@pytest.fixture
def million(sql: Sql, database: Database, ann: User) -> None:
    """As many articles, of a thousand users; one in ten is a draft."""
    numbers = (
        "WITH RECURSIVE numbers (n) AS "
        "(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {}) INSERT INTO {} FROM numbers"
    )
    users = "users (email, hashed_password) SELECT 'user' || n || '@example.com', 'x'"
    sql(numbers.format(1000, users))
    moment = MOMENT[database.engine.dialect.name].format("((n + {0}) * 77 % 1000003)")
    for before in range(0, ROWS, BATCH):  # one statement for all would take longer than one may
        published_at = f"CASE WHEN n % 10 > 0 THEN {moment.format(before)} END"
        articles = (
            "articles (title, content, is_published, owner_id, published_at) "
            f"SELECT 'x', 'x', n % 10 > 0, {ann.id} + n % 1000, {published_at}"
        )
        sql(numbers.format(BATCH, articles))
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")


@pytest.mark.usefixtures("million")
def test_a_page_of_a_million_reads_a_page_wherever_it_begins(
    client: httpx.Client,
    database: Database,
    statements: Statements,
    ann: User,
    subtests: pytest.Subtests,
) -> None:
    most = MOST[database.engine.dialect.name]
    for sort, filters, owner, headers in product(BEGINS, FILTERS, OWNERS, ({}, ann.headers)):
        for begin in BEGINS[sort]:
            path = f"/articles/?sort={sort}{filters}{owner}{begin}"
            statements.clear()
            assert client.get(path, headers=headers).status_code == 200
            with subtests.test(f"{path} {bool(headers)}"):
                assert sum(work_of(database, *it) for it in list(statements)) <= most
