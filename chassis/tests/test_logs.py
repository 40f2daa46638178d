"""Log lines: one JSON object each, with the id of their request and no value that was sent."""

import asyncio
import json
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import SAMPLE

from chassis import logs
from chassis.logs import FLUSH_SECONDS, AccessLog, JsonFormatter, configure_logging
from chassis_testing.problem import CANARY
from chassis_testing.running import finish

LINE = ["time", "level", "service", "event", "request_id"]
REQUEST = ["method", "path", "status", "duration_ms", "client"]
TIME = r"\d{4}-\d\d-\d\dT[\d:]{8}(\.\d{6})?Z"


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger, which is as before when the test ends."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def formatted(event: str, *values: object, error: BaseException | None = None) -> dict[str, Any]:
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, event, values, exc_info)
    line = JsonFormatter("sample").format(record)
    assert "\n" not in line
    fields: dict[str, Any] = json.loads(line)
    return fields


def test_a_record_is_one_line_with_its_values_and_the_request_id() -> None:
    token = logs.request_id.set("the-id")
    line = formatted("line\nbreak %s", "é")
    logs.request_id.reset(token)
    assert list(line) == LINE
    assert re.fullmatch(TIME, line["time"])
    assert [line[name] for name in LINE[1:]] == ["error", "sample", "line\nbreak é", "the-id"]
    assert formatted("x")["request_id"] is None


def test_of_an_exception_a_line_has_the_type_and_the_places_and_not_the_text() -> None:
    try:
        int(CANARY)
    except ValueError as error:
        line = formatted("failed", error=error)
    assert list(line) == [*LINE, "exception", "at"]
    assert line["exception"] == "ValueError"
    assert [place.rpartition(":")[0] for place in line["at"]] == [__file__]
    assert CANARY not in json.dumps(line)


def test_every_logger_writes_such_lines_to_standard_output(
    root_logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("sample", "warning")
    assert root_logger.level == logging.WARNING
    monkeypatch.setattr(root_logger.handlers[0], "stream", sys.stdout)
    logging.getLogger("uvicorn.error").warning("careful")
    logging.getLogger("uvicorn.error").info("not shown")
    assert [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()] == [
        "careful"
    ]


def test_the_lines_of_requests_are_written_together_and_in_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def write() -> None:
        log = AccessLog("sample")
        for number in range(3):
            log.write(status=number)
        assert capsys.readouterr().out == ""
        await asyncio.sleep(2 * FLUSH_SECONDS)
        out = capsys.readouterr().out
        assert [json.loads(line)["status"] for line in out.splitlines()] == [0, 1, 2]
        log.write(status=3)
        log.flush()
        assert json.loads(capsys.readouterr().out)["status"] == 3

    asyncio.run(write())


def test_a_process_writes_one_object_a_line_without_any_value_sent(tmp_path: Path) -> None:
    settings = {"SAMPLE_DATABASE_URL": "sqlite:///sample.db", "SAMPLE_DRAIN_SECONDS": "0"}
    with SAMPLE.process(tmp_path, **settings) as (running, url):
        headers = {"X-Request-ID": "the-id", "Authorization": f"Bearer {CANARY}"}
        with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
            client.post("/notes/", json={"text": CANARY, CANARY: CANARY})
            client.post("/notes/", json={"text": CANARY})
            client.get(f"/notes/1?{CANARY}={CANARY}")
            client.get("/a%20path")
        running.terminate()
        _, out, err = finish(running)
    lines: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert all(list(line)[:5] == LINE for line in lines)
    assert all(list(line) == [*LINE, *REQUEST] for line in requests)
    assert [(line["method"], line["path"], line["status"]) for line in requests] == [
        ("POST", "/notes/", 422),
        ("POST", "/notes/", 201),
        ("GET", "/notes/1", 422),
        ("GET", "/a%20path", 404),
    ]
    assert {line["request_id"] for line in requests} == {"the-id"}
    assert {line["client"] for line in requests} == {"127.0.0.1"}
    assert {line["service"] for line in lines} == {"sample"}
    assert all(re.fullmatch(TIME, line["time"]) for line in lines)
    assert CANARY not in out
    assert err == ""
