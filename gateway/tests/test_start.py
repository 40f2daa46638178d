"""What stops the start does so with one sentence."""

import socket
from contextlib import closing

import pytest
from support.process import StartProcess

BAD_VARIABLES = [
    ("GATEWAY_PORT", "x"),
    ("GATEWAY_RATE_LIMIT", "perhaps"),
    ("GATEWAY_TRUSTED_PROXIES", "10.0.0.0/99"),
    ("GATEWAY_ROUTES_FILE", "/nowhere.toml"),
    ("GATEWAY_BLOG_SERVICE_URL", "ftp://x"),
    ("GATEWAY_BLOG_SERVICE_URL", "https://x"),
    ("GATEWAY_BLOG_SERVICE_URL", "http://x:99999"),
    ("GATEWAY_BLOG_SERVICE_URL", "http://[192.0.2.1]"),
    ("GATEWAY_RATE_LIMIT_STORE", "nonsense://"),
    ("GATEWAY_RATE_LIMIT_STORE", "memcached://x"),
    ("GATEWAY_CORS_ORIGINS", "nonsense"),
    ("GATEWAY_CORS_ORIGINS", "https://a.example.com/path"),
    ("GATEWAY_DRAIN_SECONDS", "61"),
]


@pytest.mark.parametrize(("name", "value"), BAD_VARIABLES)
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
