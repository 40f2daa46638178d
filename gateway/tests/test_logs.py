"""Log lines are JSON and hold nothing secret."""

import json
import re
import signal

from support.process import StartProcess
from support.upstream import RawUpstream, send_and_close


def test_every_line_is_json_without_secrets(start: StartProcess, upstream: RawUpstream) -> None:
    it = start(GATEWAY_BLOG_SERVICE_URL=upstream.url, GATEWAY_DRAIN_SECONDS="0")
    it.wait_until_up()
    with it.connect() as sock:
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


def test_the_lines_about_a_broken_answer_have_the_requests_id(
    start: StartProcess, upstream: RawUpstream
) -> None:
    upstream.script = send_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
    it = start(GATEWAY_BLOG_SERVICE_URL=upstream.url, GATEWAY_DRAIN_SECONDS="0")
    it.wait_until_up()
    with it.connect() as sock:
        sock.sendall(b"GET /posts HTTP/1.1\r\nHost: a\r\nX-Request-ID: known\r\n\r\n")
        while sock.recv(65536):
            pass
    it.process.send_signal(signal.SIGTERM)
    lines = [json.loads(line) for line in it.end()[1].splitlines()]
    errors = [line for line in lines if line["level"] == "error"]
    assert {line["request_id"] for line in errors} == {"known"}
