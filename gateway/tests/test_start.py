"""A start prints the one URL to open, or ends with one sentence."""

import re
import signal
import socket
from contextlib import closing

import httpx
import pytest
from support.process import StartProcess

from chassis_testing.ports import free_port, has_ipv6


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


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_it_and_its_metrics_listen_at_every_address(start: StartProcess) -> None:
    both, metrics = "127.0.0.1,::1", free_port()
    it = start(GATEWAY_HOST=both, GATEWAY_METRICS_HOST=both, GATEWAY_METRICS_PORT=str(metrics))
    it.wait_until_up()
    for host in ("127.0.0.1", "[::1]"):
        assert httpx.get(f"http://{host}:{it.port}/livez").status_code == 200
        found = httpx.get(f"http://{host}:{metrics}/metrics")
        assert 'gateway_request_duration_seconds_count{method="GET"' in found.text


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "http://localhost:{}"),
        ({"GATEWAY_HOST": "0.0.0.0"}, "http://localhost:{}"),
        ({"GATEWAY_HOST": "127.0.0.2"}, "http://127.0.0.2:{}"),
        ({"GATEWAY_PUBLIC_URL": "https://inkwell.example"}, "https://inkwell.example"),
    ],
)
def test_the_start_prints_one_url_that_a_person_can_open(
    start: StartProcess, variables: dict[str, str], url: str
) -> None:
    it = start(**variables)
    printed = ""
    assert it.process.stdout
    while "open http" not in printed:
        printed += it.process.stdout.readline().decode()
    it.process.send_signal(signal.SIGTERM)
    printed += it.end()[1]
    assert set(re.findall(r"https?://[^\s\"]+", printed)) == {url.format(it.port)}
