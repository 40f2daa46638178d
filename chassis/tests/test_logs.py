"""Log lines: one JSON object each, with the id of their request and no value that was sent."""

import asyncio
import json
import logging
import re
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import SAMPLE

from chassis import logs
from chassis.logs import FLUSH_SECONDS, AccessLog, JsonFormatter, configure_logging
from chassis_testing.ports import free_port
from chassis_testing.problem import CANARY
from chassis_testing.running import await_answer, finish
from chassis_testing.waiting import until

LINE = ["time", "level", "service", "event", "request_id"]
REQUEST = ["method", "path", "status", "duration_ms", "client"]
TIME = r"\d{4}-\d\d-\d\dT[\d:]{8}(\.\d{6})?Z"


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger. It and the level of requests are as before when the test ends."""
    root = logging.getLogger()
    handlers, level, level_of_requests = root.handlers[:], root.level, logs.logger.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
    logs.logger.setLevel(level_of_requests)


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


@pytest.mark.usefixtures("root_logger")
@pytest.mark.parametrize(
    ("level", "written"),
    [("debug", ["debug", "debug", "info"]), ("info", ["info"]), ("warning", []), ("error", [])],
)
def test_a_request_is_logged_at_level_info_and_a_health_check_at_level_debug(
    capsys: pytest.CaptureFixture[str], level: str, written: list[str]
) -> None:
    async def write() -> None:
        log = AccessLog("sample")
        for path in ("/livez", "/readyz", "/notes/"):
            log.write(path=path)
        log.flush()

    configure_logging("sample", level)
    asyncio.run(write())
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    assert [line["level"] for line in lines if line["event"] == "request"] == written


def test_a_process_takes_its_level_from_its_variable(tmp_path: Path) -> None:
    settings = {"SAMPLE_DATABASE_URL": "sqlite:///sample.db", "SAMPLE_LOG_LEVEL": "DEBUG"}
    with SAMPLE.process(tmp_path, **settings) as (running, url):
        await_answer(url.removeprefix("http://"))
        running.terminate()
        _, out, _ = finish(running)
    (line,) = [it for it in map(json.loads, out.splitlines()) if it["event"] == "request"]
    assert (line["path"], line["level"]) == ("/livez", "debug")


def test_a_start_prints_no_url_that_nobody_should_open(tmp_path: Path) -> None:
    settings = {"SAMPLE_DATABASE_URL": "sqlite:///sample.db", "SAMPLE_DRAIN_SECONDS": "0"}
    running = SAMPLE.start(tmp_path, "sample", **settings)
    assert running.stdout
    printed = ""
    while "listening at" not in printed:
        printed += running.stdout.readline()
    running.terminate()
    assert "://" not in printed + finish(running)[1]


def test_a_process_at_level_warning_writes_no_line_of_a_request(tmp_path: Path) -> None:
    port = free_port()
    settings = {"SAMPLE_DATABASE_URL": "sqlite:///sample.db", "SAMPLE_LOG_LEVEL": "warning"}
    running = SAMPLE.start(tmp_path, "sample", SAMPLE_PORT=str(port), **settings)
    until(lambda: is_up(port), "the start")
    await_answer(f"127.0.0.1:{port}")
    assert httpx.get(f"http://127.0.0.1:{port}/notes/", trust_env=False).status_code == 200
    running.terminate()
    _, out, _ = finish(running)
    assert [json.loads(line)["level"] for line in out.splitlines()] == ["warning"]


ON_A_FULL_DISK = """
import os, runpy
os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
runpy.run_module("sample", run_name="__main__")
"""


def test_a_full_disk_stops_nothing_and_is_complained_of_once(tmp_path: Path) -> None:
    port = free_port()
    settings = {"SAMPLE_DATABASE_URL": "sqlite:///sample.db", "SAMPLE_DRAIN_SECONDS": "0"}
    (tmp_path / "on_a_full_disk.py").write_text(ON_A_FULL_DISK)
    running = SAMPLE.start(tmp_path, "on_a_full_disk", SAMPLE_PORT=str(port), **settings)
    until(lambda: is_up(port), "the start")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        for _ in range(3):
            assert client.get("/notes/").status_code == 200
            time.sleep(2 * FLUSH_SECONDS)  # so that the lines are written apart
    running.terminate()
    _, _, err = finish(running)
    (line,) = map(json.loads, err.splitlines())
    assert (line["level"], line["service"]) == ("error", "sample")
    assert line["event"].startswith("standard output cannot be written")


def is_up(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
