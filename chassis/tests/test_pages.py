"""The parameters of lists: which cursors are taken, which go together, and what the links keep."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from struct import pack

import httpx
import pytest

from chassis.pages import decode_cursor, encode_cursor
from chassis_testing.fixtures import Sql
from chassis_testing.hostile import short
from chassis_testing.paging import rows
from chassis_testing.problem import assert_refused

MOMENT = datetime(2026, 11, 29, 1, 2, 3, 456789, tzinfo=UTC)
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
STORED = f"{MOMENT:%Y-%m-%d %H:%M:%S.%f}"
GOOD = encode_cursor(MOMENT, 7)
NEWEST = "/notes/?sort=-published_at"


def packed(microseconds: int, row_id: int) -> str:
    return urlsafe_b64encode(pack(">qq", microseconds, row_id)).rstrip(b"=").decode()


NO_CURSORS = [
    *("", "0", "7", "x", GOOD[:-1], GOOD + "A", GOOD + "==", GOOD * 2, GOOD * 400, f" {GOOD}"),
    *(GOOD[:-1] + "B", GOOD[:5] + "=" + GOOD[6:], GOOD[:5] + "+" + GOOD[6:], "_" * 22, "-" * 22),
    *(packed(2**63 - 1, 1), packed(-(2**63), 1), packed(0, 0), packed(0, -1), packed(0, -(2**63))),
    *("%00" * 22, "A%00" + GOOD[2:], "%ff" * 22, "%ed%a0%80" + GOOD, "%F0%9F%92%A9" * 22),
    *("é" * 22, "%D9%A7" * 11, "2026-11-29T01:02:03Z", "null", "' OR 1=1 --"),
]


@pytest.mark.parametrize("moment", [FIRST, LAST, MOMENT, MOMENT.replace(microsecond=0)])
@pytest.mark.parametrize("row_id", [1, 2**63 - 1])
def test_a_cursor_keeps_a_moment_and_an_id(moment: datetime, row_id: int) -> None:
    assert decode_cursor(encode_cursor(moment, row_id)) == (moment, row_id)


def test_anything_else_than_a_cursor_is_refused(
    client: httpx.Client, subtests: pytest.Subtests
) -> None:
    for value in NO_CURSORS:
        with subtests.test(short(value)):
            assert_refused(client.get(f"{NEWEST}&cursor={value}"), "query", "cursor")


def test_a_page_may_begin_after_any_moment(client: httpx.Client, sql: Sql) -> None:
    sql(f"INSERT INTO notes (text, published, published_at) VALUES ('x', true, '{STORED}')")
    for moment, count in ((FIRST, 0), (MOMENT, 1), (LAST, 1)):
        for row_id in (2, 2**63 - 1):
            found = client.get(f"{NEWEST}&cursor={encode_cursor(moment, row_id)}")
            assert len(found.json()) == count


def test_a_page_begins_in_one_way_and_as_its_order_does(client: httpx.Client) -> None:
    refused = [
        *("skip=1&after=1", "sort=-id&skip=1&after=1", f"sort=-published_at&skip=1&cursor={GOOD}"),
        *(f"cursor={GOOD}", f"sort=id&cursor={GOOD}", f"sort=-id&cursor={GOOD}"),
        *("sort=-published_at&after=1", f"after=1&cursor={GOOD}"),
        f"sort=-published_at&after=1&cursor={GOOD}",
    ]
    for query in refused:
        assert_refused(client.get(f"/notes/?{query}"), "query")
    for query in ("sort=-id&skip=0&after=1", f"sort=-published_at&skip=0&cursor={GOOD}"):
        assert client.get(f"/notes/?{query}").status_code == 200


def test_an_unknown_order_is_refused(client: httpx.Client) -> None:
    for sort in ("", "ID", "published_at", "+id", "--id", "-id,id", "text", "id%00", "-created_at"):
        assert_refused(client.get(f"/notes/?sort={sort}"), "query", "sort")
    assert_refused(client.get("/notes/?sort=id&sort=id"), "query", "sort")


@pytest.mark.parametrize("fraction", [timedelta(0), timedelta(microseconds=1)])
def test_moments_a_microsecond_apart_differ_and_equal_ones_are_ordered_by_id(
    client: httpx.Client, sql: Sql, fraction: timedelta
) -> None:
    moment = MOMENT.replace(microsecond=0)
    notes = [(1, moment), (2, moment + fraction), (3, moment), (4, moment + fraction), (5, moment)]
    for note_id, at in notes:
        text = f"{at.replace(tzinfo=None)}"
        sql(
            "INSERT INTO notes (id, text, published, published_at) "
            f"VALUES ({note_id}, 'x', true, '{text}')"
        )
    found = rows(client, f"{NEWEST}&limit=1")
    assert [note["id"] for note in found] == ([4, 2, 5, 3, 1] if fraction else [5, 4, 3, 2, 1])


@pytest.mark.parametrize("sort", ["-id", "-published_at"])
def test_the_links_keep_what_was_asked_but_skip(client: httpx.Client, sql: Sql, sort: str) -> None:
    for _ in range(3):
        sql(f"INSERT INTO notes (text, published, published_at) VALUES ('x', true, '{STORED}')")
    asked = {"sort": sort, "limit": "1", "count": "true", "published": "true"}
    links = [client.get("/notes/", params=asked | {"skip": "0"}).links["next"]["url"]]
    links.append(client.get(links[0]).links["next"]["url"])
    for link, last in zip(links, (3, 2), strict=True):
        begin = {"after": str(last)} if sort == "-id" else {"cursor": encode_cursor(MOMENT, last)}
        assert dict(httpx.URL(link).params) == asked | begin


def test_the_document_describes_the_orders(client: httpx.Client) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/notes/"]["get"]
    parameters = {one["name"]: one for one in operation["parameters"]}
    assert parameters["sort"]["schema"]["enum"] == ["id", "-id", "-published_at"]
    assert all(parameters[name]["description"] for name in ("sort", "cursor", "after", "q"))
    assert parameters["cursor"]["schema"]["type"] == parameters["q"]["schema"]["type"] == "string"
    assert parameters["q"]["schema"]["maxLength"] == 200
    assert "Link" in operation["responses"]["200"]["headers"]
