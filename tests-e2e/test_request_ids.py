"""Request ids, from the client to the log lines."""

import re
from functools import partial

import httpx
import pytest
from support.api import word
from support.deployment import Containers
from support.logs import lines_of

from chassis_testing.waiting import until


@pytest.mark.parametrize("path", ["/posts/", "/articles/", "/users/me", "/livez", "/nothing", "/"])
def test_a_request_id_is_kept_or_replaced(api: httpx.Client, path: str) -> None:
    for kept in ("a", "A.b_c-9", word() * 5, "x" * 128):
        answer = api.get(path, headers={"X-Request-ID": kept})
        assert answer.headers["x-request-id"] == kept
    for replaced in ("", "x" * 129, "a b", "a,b", "a/b", "é", '"'):
        answer = api.get(path, headers={b"X-Request-ID": replaced.encode()})
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert len({api.get(path).headers["x-request-id"] for _ in range(5)}) == 5


def test_a_request_id_is_in_the_log_of_every_part_on_its_way(
    containers: Containers, api: httpx.Client
) -> None:
    for path, service in (("/posts/", "blog-service"), ("/articles/", "platform-service")):
        request_id = word()
        assert api.get(path, headers={"X-Request-ID": request_id}).status_code == 200
        for part in ("gateway", service):
            until(partial(lines_of, containers, part, request_id), "its line")
            [line] = lines_of(containers, part, request_id)
            assert (line["method"], line["path"], line["status"]) == ("GET", path, 200)
            assert (line["service"], line["event"]) == (part, "request")
            assert isinstance(line["duration_ms"], int | float)
