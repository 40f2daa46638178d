"""A start that fails ends with one sentence."""

import socket
from contextlib import closing

import pytest
from support.process import StartProcess


@pytest.mark.parametrize(
    ("name", "value"), [("GATEWAY_PORT", "x"), ("GATEWAY_BLOG_SERVICE_URL", "ftp://x")]
)
def test_a_bad_variable_stops_the_start_with_one_sentence(
    start: StartProcess, name: str, value: str
) -> None:
    code, out, err = start(**{name: value}).end()
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("name", ["GATEWAY_PORT", "GATEWAY_METRICS_PORT"])
def test_a_taken_port_stops_the_start_with_one_sentence(start: StartProcess, name: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        code, _, err = start(**{name: str(taken.getsockname()[1])}).end()
    assert code == 1
    assert len(err.splitlines()) == 1
