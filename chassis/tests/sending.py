"""Sending a note with an Idempotency-Key, and what may come back."""

from typing import Any

import httpx

from chassis_testing.fixtures import Sql

NOTE = {"text": "x"}
REPLAYED = "Idempotent-Replayed"


def write(
    client: httpx.Client, key: str = "k", path: str = "/notes/", **fields: Any
) -> httpx.Response:
    return client.post(path, json={**NOTE, **fields}, headers={"Idempotency-Key": key})


def assert_first(answer: httpx.Response) -> httpx.Response:
    assert answer.status_code == 201, answer.text
    assert REPLAYED not in answer.headers
    return answer


def assert_replayed(answer: httpx.Response, first: httpx.Response) -> None:
    """Check that this is the first answer but for what is of each request."""
    own = {"date", "x-request-id", REPLAYED.lower()}
    assert answer.headers[REPLAYED] == "true"
    assert (answer.status_code, answer.content) == (first.status_code, first.content)
    kept = [(name, value) for name, value in answer.headers.items() if name not in own]
    assert kept == [(name, value) for name, value in first.headers.items() if name not in own]


def count(sql: Sql, table: str = "notes") -> int:
    number: int = sql(f"SELECT count(*) FROM {table}")[0][0]
    return number
