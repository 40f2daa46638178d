"""Starting, stopping, what is read from the environment, health and log lines."""

import json
import re
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import (
    Answer,
    RawUpstream,
    Running,
    by_path,
    drip,
    eventually,
    free_port,
    hang,
    parse,
    read_head,
    routes_file,
)

from gateway import services
from gateway.config import load_routes, load_settings

Start = Callable[..., Running]

RESET = 0  # instead of a status


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -15), (signal.SIGINT, 0)])
def test_a_signal_ends_it_cleanly(start: Any, number: int, code: int) -> None:
    it = start(GATEWAY_DRAIN_SECONDS="0.1")
    it.wait_until_up()
    it.process.send_signal(number)
    assert it.end()[0] == code


def test_a_second_ctrl_c_waits_for_nothing_and_loses_no_line(
    start: Any, upstream: RawUpstream
) -> None:
    def hang_but_be_ready(sock: socket.socket, head: bytes) -> None:
        answer = by_path({}) if b"/readyz" in head else hang
        answer(sock, head)

    upstream.script = hang_but_be_ready
    it = start(GATEWAY_BLOG_SERVICE_URL=upstream.url, GATEWAY_DRAIN_SECONDS="60")
    it.wait_until_up()
    with closing(socket.create_connection(("127.0.0.1", it.port))) as sock:
        sock.sendall(b"GET /posts HTTP/1.1\r\nHost: a\r\n\r\n")
        eventually(lambda: any(b"/posts" in request for request in upstream.requests))
        it.process.send_signal(signal.SIGINT)
        eventually(lambda: httpx.get(f"http://127.0.0.1:{it.port}/readyz").status_code == 503)
        it.process.send_signal(signal.SIGINT)
        code, out, _ = it.end()
    assert code == 0
    assert '"path":"/posts"' in out


def test_who_connects_while_it_stops_is_answered_or_refused(start: Any) -> None:
    it = start(GATEWAY_DRAIN_SECONDS="0.6")
    it.wait_until_up()
    answered: list[int] = []

    def ask_until_refused() -> None:
        while True:
            try:
                with socket.create_connection(("127.0.0.1", it.port), timeout=10) as sock:
                    sock.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
                    answered.append(parse(b"".join(read_head(sock))).status)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                answered.append(RESET)

    with ThreadPoolExecutor(20) as pool:
        printed = pool.submit(it.end)  # else a full pipe would stop it
        clients = [pool.submit(ask_until_refused) for _ in range(19)]
        eventually(lambda: len(answered) > 100)
        it.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.result()
        assert printed.result()[0] == -signal.SIGTERM
    assert set(answered) <= {200, RESET}
    # Who comes between the last accept() and close() is lost; to close alone loses nearly all.
    assert answered.count(RESET) <= 2


def test_every_line_is_json_and_tells_nothing_secret(start: Any, upstream: RawUpstream) -> None:
    it = start(GATEWAY_BLOG_SERVICE_URL=upstream.url, GATEWAY_DRAIN_SECONDS="0")
    it.wait_until_up()
    with closing(socket.create_connection(("127.0.0.1", it.port))) as sock:
        sock.sendall(
            b'GET /posts/%22"?secret=1 HTTP/1.1\r\nHost: a\r\nX-Request-ID: known\r\n'
            b"Authorization: Bearer secret\r\nCookie: secret\r\nConnection: close\r\n\r\n"
        )
        while sock.recv(65536):
            pass
    it.process.send_signal(signal.SIGTERM)
    _, out, err = it.end()
    assert (err, "secret" in out) == ("", False)
    lines = [json.loads(line) for line in out.splitlines()]
    (line,) = [line for line in lines if line["event"] == "request"]
    assert line["duration_ms"] > 0
    assert {key: line[key] for key in line if key not in ("time", "duration_ms")} == {
        "level": "info",
        "service": "gateway",
        "event": "request",
        "request_id": "known",
        "method": "GET",
        "path": '/posts/%22"',
        "status": 200,
        "client": "127.0.0.1",
    }
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}(\.\d{6})?Z", line["time"])
        assert {"level", "service", "event", "request_id"} <= line.keys()


def test_what_is_logged_of_a_broken_answer_has_the_request_s_id(
    start: Any, upstream: RawUpstream
) -> None:
    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        raise ConnectionError

    upstream.script = script
    it = start(GATEWAY_BLOG_SERVICE_URL=upstream.url, GATEWAY_DRAIN_SECONDS="0")
    it.wait_until_up()
    with closing(socket.create_connection(("127.0.0.1", it.port))) as sock:
        sock.sendall(b"GET /posts HTTP/1.1\r\nHost: a\r\nX-Request-ID: known\r\n\r\n")
        while sock.recv(65536):
            pass
    it.process.send_signal(signal.SIGTERM)
    lines = [json.loads(line) for line in it.end()[1].splitlines()]
    errors = [line for line in lines if line["level"] == "error"]
    assert {line["request_id"] for line in errors} == {"known"}


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
    start: Any, name: str, value: str
) -> None:
    code, out, err = start(**{name: value}).end()
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("name", ["GATEWAY_PORT", "GATEWAY_METRICS_PORT"])
def test_a_taken_port_stops_the_start_with_one_sentence(start: Any, name: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        code, _, err = start(**{name: str(taken.getsockname()[1])}).end()
    assert code == 1
    assert len(err.splitlines()) == 1


PREFIX_WITH_SLASH = """
keys_from = "a"
upstreams.a.url = "http://a"
routes = [{ prefix = "/a/", upstream = "a" }]
"""
PREFIX_TWICE = """
keys_from = "a"
upstreams.a.url = "http://a"
routes = [
    { prefix = "/a", upstream = "a", writes = "signed-in" },
    { prefix = "/a", upstream = "a" },
]
"""
BAD_FILES = [
    ("not toml at all", "line 1"),
    ("", "upstreams"),
    ('keys_from = "a"\nroutes = []\nnonsense = 1\n[upstreams.a]\nurl = "http://a"', "nonsense"),
    ('keys_from = "b"\nroutes = []\n[upstreams.a]\nurl = "http://a"', '"b"'),
    ('keys_from = "a"\nroutes = []\n[upstreams.a]\nurl = "http://a/path"', "upstreams.a.url"),
    ('keys_from = "a"\nroutes = []\nupstreams = 3', "upstreams"),
    ('keys_from = "a"\nroutes = []\ndefaults = 3\n[upstreams]\na = 3', "upstreams"),
    (PREFIX_WITH_SLASH, "routes.0.prefix"),
    (PREFIX_TWICE, "routes"),
]


@pytest.mark.parametrize(("text", "named"), BAD_FILES)
def test_a_bad_file_of_routes_is_named_by_its_key(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "routes.toml"
    file.write_text(text)
    with pytest.raises(SystemExit, match=re.escape(named)) as error:
        load_routes(file)
    assert "\n" not in str(error.value)


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TRUSTED_PROXIES", "10.0.0.0/8, ::1,")
    monkeypatch.setenv("GATEWAY_CORS_ORIGINS", "https://a.example")
    settings = load_settings()
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert settings.cors_origins == ("https://a.example",)


def test_bad_settings_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "99999")
    with pytest.raises(SystemExit, match="GATEWAY_PORT"):
        load_settings()


def test_an_upstream_may_have_limits_of_its_own(tmp_path: Path) -> None:
    file = routes_file(tmp_path, "http://a", "http://b", defaults={"max_queue": 7})
    text = file.read_text().replace('url = "http://a"', 'url = "http://a"\nmax_queue = 3')
    file.write_text(text)
    upstreams = load_routes(file).upstreams
    assert [it.max_queue for it in upstreams.values()] == [3, 7]


def test_readiness_lists_the_upstreams_and_needs_one(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url, f"http://127.0.0.1:{free_port()}")
    answer = running.get("/readyz")
    assert (answer.status, answer.all(b"cache-control")) == (200, [b"no-store"])
    assert json.loads(answer.body) == {
        "status": "up",
        "checks": {"blog-service": "up", "platform-service": "down"},
    }
    upstream.reply = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    eventually(lambda: running.get("/readyz").status == 503)
    assert_not_ready(running.get("/readyz"))


def assert_not_ready(answer: Answer) -> None:
    assert (answer.status, answer.all(b"retry-after")) == (503, [b"1"])
    assert answer.all(b"content-type") == [b"application/problem+json"]
    assert answer.all(b"cache-control") == [b"no-store"]
    checks = json.loads(answer.body)["checks"]
    assert checks == {"blog-service": "down", "platform-service": "down"}


GARBLED = [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]


@pytest.mark.parametrize("bad", GARBLED)
def test_a_service_that_garbles_its_readiness_is_down(
    gateway: Start, upstream: RawUpstream, bad: bytes
) -> None:
    upstream.script = by_path({b"/readyz": bad})
    assert_not_ready(gateway(upstream.url).get("/readyz"))


def test_a_service_that_drips_its_readiness_is_down(
    gateway: Start, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "TIMEOUT", 0.3)
    upstream.script = drip
    running = gateway(upstream.url)
    began = time.monotonic()
    assert running.get("/readyz").status == 503
    assert time.monotonic() - began < 3


def test_liveness_asks_nobody(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url)
    assert json.loads(running.get("/livez").body) == {"status": "up"}
    assert running.get("/livez", method="HEAD").body == b""
    assert upstream.requests == []


def test_many_readiness_checks_are_one_question(gateway: Start, upstream: RawUpstream) -> None:
    running = gateway(upstream.url)
    began = time.monotonic()
    for _ in range(20):
        running.get("/readyz")
    if time.monotonic() - began < 1:
        assert len(upstream.requests) == 2  # one for each upstream


@pytest.mark.parametrize(("path", "status"), [("/nope", 404), ("/livez", 405)])
def test_the_gateway_s_own_refusals_are_problems(
    gateway: Start, upstream: RawUpstream, path: str, status: int
) -> None:
    """RFC 9457."""
    answer = gateway(upstream.url).get(f"{path}?q", b"X-Request-ID: mine", method="POST")
    problem = json.loads(answer.body)
    assert list(problem) == ["type", "title", "status", "detail", "instance", "request_id"]
    assert (problem["status"], problem["instance"], problem["request_id"]) == (status, path, "mine")
    if status == 405:
        assert answer.all(b"allow")


def test_an_unexpected_error_is_a_problem_that_tells_nothing(
    gateway: Start, upstream: RawUpstream, capfd: pytest.CaptureFixture[str]
) -> None:
    running = gateway(upstream.url)

    async def fail(*_: Any) -> None:
        raise RuntimeError("secret")

    running.app.limiter.check = fail  # type: ignore[method-assign,assignment]
    object.__setattr__(running.app.settings, "rate_limit", "on")
    answer = running.get("/posts")
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert "secret" not in "".join(
        line for line in capfd.readouterr().out.splitlines() if "{" in line
    )


def test_an_unexpected_error_of_a_page_is_a_problem_too(
    gateway: Start, upstream: RawUpstream
) -> None:
    running = gateway(upstream.url)

    async def fail(*_: Any) -> None:
        raise RuntimeError("secret")

    running.app.services.statuses = fail  # type: ignore[assignment]
    for path in ("/", "/readyz"):
        answer = running.get(path)
        assert (answer.status, answer.all(b"content-type")) == (500, [b"application/problem+json"])
        assert json.loads(answer.body)["detail"] == "Something went wrong here."
