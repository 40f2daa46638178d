"""Hostile requests below the level of a client: targets, headers, methods, framing."""

import re

import httpx
import pytest
from support.api import User, word
from support.inspection import inspect
from support.wire import Wire

from chassis_testing.hostile import short
from chassis_testing.problem import CANARY

DOTS = [
    *("/posts/../users/", "/posts/%2e%2e/users/", "/posts/%2E%2E/users/", "/posts/.%2e/users/me"),
    *("/posts/..%2fusers/", "/posts/%2e%2e%2fusers/", "/posts/..\\users/", "/posts/..%5cusers/"),
    *("/../posts/", "/posts/../../etc/passwd", "/posts/../livez", "/posts/..;/users/", "/posts/.."),
    *("/posts/%2e%2e", "/articles/../auth/token"),
    *("/.well-known/../users/", "/posts/%252e%252e/users/"),
]
TARGETS = [
    *("//posts/", "//evil.example/posts/", "/posts//", "/posts//1", "/./posts/", "/posts/./1"),
    *("/posts/1/..", "/%70osts/", "/posts%2f1", "/posts%2F", "/posts/%", "/posts/%zz", "/posts/%2"),
    *("/POSTS/", "/posts;a=b/", "/posts/;", "/posts/1;x", "/posts/*", "/posts/1?"),
    *("/posts/?", "/?"),
    *("/posts/1%3Fx", "/posts/1%23x", "/posts/\xff", "/posts/\xe9", "/posts/#x", "*"),
    *("posts", "?x"),
    *("http://evil.example/posts/", "http://platform-db:5432/"),
    *("https://x/articles/", "http:///posts/"),
    *("/articles/http://evil.example/", "/posts/" + "a/" * 500, "/" + "a" * 60_000),
    *("/%00", "/\x00"),
    *("/posts/\x01", "/posts/\x7f", "/posts/<x>", '/posts/"', "/posts/{x}"),
    *("/posts/|", "/posts/^`"),
]
HOSTS = [
    *("evil.example", "localhost", "127.0.0.1:1", "platform-service:8000", "[::1]", ""),
    *("a b", "a,b"),
    *("a/b", "a@b", "a\\b", "\xe9.example", "x:99999", "x:-1", "x:", ":80", "a" * 5000),
    *("<x>", "%00"),
]
VALUES = {
    "Authorization": [
        *("Bearer " + "a" * 7000, "Bearer \xff", "Bearer a.b.c.d.e", "Bearer\ta.b.c"),
        *(",,,", "=" * 100),
        *("Bearer .", "Bearer ..", "Bearer ...", "Bearer " + "." * 100),
        *("Bearer ", "Bearer e30.e30.e30"),
        *("Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer eyJhbGciOiJFZERTQSIsImtpZCI6MX0.e30.AA"),
        "Bearer eyJhbGciOlsibm9uZSJdLCJraWQiOnt9fQ.W10.AA",
    ],
    "X-Request-ID": ["\xff", "a\tb", "x" * 5000, "${jndi:ldap://x}", CANARY + "!"],
    "X-Forwarded-For": ["1.2.3.4", "::1", "x" * 5000, "\xff", ",,,", "unknown"],
    "X-Forwarded-Host": ["evil.example", "a, b", "\xff", "x" * 5000],
    "X-Forwarded-Proto": ["https", "javascript", "\xff", ""],
    "Forwarded": ["for=1.2.3.4;host=evil.example", "for=", ";;;", '"', "\xff"],
    "traceparent": ["00-0-0-00", "\xff", "x" * 5000, "ff-" + "f" * 52],
    "Connection": ["authorization", "close, x-request-id", ",", "\xff"],
    "Content-Length": ["0", "00"],
    "Accept": ["x", "\xff", "a" * 7000, "text/html;q=x"],
    "Accept-Encoding": ["gzip;q=x", "\xff", "*;q=0"],
    "Range": ["bytes=0-", "bytes=9-1", "x" * 1000],
    "If-None-Match": ["*"],
    "If-Match": ['"x"'],
    "Upgrade": ["websocket"],
    "TE": ["trailers"],
    "Cookie": ["a=" + "b" * 7000],
    "Origin": ["http://evil.example", "null"],
    "Referer": ["\xff"],
    "X-HTTP-Method-Override": ["DELETE"],
    "X-Original-URL": ["/users/"],
}
HEADERS = [(name, value) for name, values in VALUES.items() for value in values]
METHODS = [
    *("TRACE", "OPTIONS", "FOO", "PROPFIND", "get", "Get", "QUERY", "LOCK", "A" * 1000),
    *("GET\t", "G-T"),
    *("PRI", "CONNECT", "\xff", "GE T", "", "123"),
]
FRAMING = [
    b"Content-Length: -1\r\n\r\n",
    b"Content-Length: +1\r\n\r\nx",
    b"Content-Length: x\r\n\r\n",
    b"Content-Length: 0x1\r\n\r\nx",
    b"Content-Length: 99999999999999999999999\r\n\r\n",
    b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    b"Content-Length: 1, 2\r\n\r\nxx",
    b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nx\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: x\r\n\r\n",
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    b"A\r\n\r\n",
    b": x\r\n\r\n",
    b"A b: x\r\n\r\n",
    b"A: x\r\n y\r\n\r\n",
    b"A: x\x00y\r\n\r\n",
    b"A : x\r\n\r\n",
    b"A: x\n\n",
    b"A: x\r\rB: y\r\n\r\n",
    b"A: " + b"x" * 200_000 + b"\r\n\r\n",
    b"".join(b"A%d: x\r\n" % number for number in range(5000)) + b"\r\n",
]


def survived(answer: httpx.Response | None) -> None:
    """Fail unless the connection was closed, or answered with a problem or the parser's 400."""
    if answer is None:
        return
    assert CANARY not in answer.text
    if answer.status_code != 400 or '"instance":""' not in answer.text.replace(" ", ""):
        inspect(answer)  # it parsed as HTTP
        assert answer.status_code < 500 or answer.status_code == 501


@pytest.mark.parametrize("target", DOTS, ids=short)
def test_dots_do_not_lead_out_of_a_prefix(wire: Wire, author: User, target: str) -> None:
    answer = wire.ask("GET", target, list(author.auth.items()))
    assert answer is not None
    assert answer.status_code in (400, 404, 422)
    assert author.email not in answer.text


@pytest.mark.parametrize("target", TARGETS, ids=short)
def test_a_strange_target_does_no_harm(wire: Wire, target: str) -> None:
    for method in ("GET", "POST"):
        answer = wire.ask(method, target, [("Content-Length", "0")])
        survived(answer)
        if answer is not None and "evil" in target:
            assert "evil" not in re.sub(r'"instance":\s*".*?"', "", answer.text)


@pytest.mark.parametrize("host", HOSTS, ids=short)
@pytest.mark.parametrize("path", ["/posts/?limit=1", "/articles", "/nothing", "/", "/openapi.json"])
def test_a_strange_host_chooses_no_upstream(wire: Wire, host: str, path: str) -> None:
    answer = wire.ask("GET", path, [("Host", host)])
    survived(answer)
    if (
        answer is not None
        and answer.status_code == 200
        and path.startswith(("/posts", "/articles"))
    ):
        assert "evil.example" not in str(answer.headers)


@pytest.mark.parametrize("hosts", [[], ["a", "b"], ["a", "a"]], ids=short)
def test_a_request_without_exactly_one_host_is_400(wire: Wire, hosts: list[str]) -> None:
    lines = "".join(f"Host: {host}\r\n" for host in hosts)
    answer = wire.send(f"GET /posts/ HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode())
    assert answer is None or answer.status_code == 400


@pytest.mark.parametrize("header", HEADERS, ids=short)
@pytest.mark.parametrize("path", ["/posts/?limit=1", "/articles/?limit=1", "/users/me", "/livez"])
def test_a_strange_header_does_no_harm(wire: Wire, path: str, header: tuple[str, str]) -> None:
    survived(wire.ask("GET", path, [header]))


@pytest.mark.parametrize("header", [row for row in HEADERS if row[0] == "Authorization"], ids=short)
def test_strange_credentials_open_nothing(wire: Wire, header: tuple[str, str]) -> None:
    body = b'{"title": "x"}'
    sized = [header, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    for method, path in (("POST", "/posts/"), ("POST", "/articles/"), ("PATCH", "/posts/1")):
        answer = wire.ask(method, path, sized, body)
        assert answer is None or answer.status_code in (400, 401, 431)


@pytest.mark.parametrize("method", METHODS, ids=short)
@pytest.mark.parametrize("path", ["/posts/", "/users/me", "/auth/token", "/livez", "/nothing", "/"])
def test_a_strange_method_does_no_harm(wire: Wire, method: str, path: str) -> None:
    survived(wire.ask(method, path, [("Content-Length", "0")]))


@pytest.mark.parametrize("rest", FRAMING, ids=short)
@pytest.mark.parametrize("path", [b"/posts/", b"/articles/", b"/livez"])
def test_broken_framing_is_refused_and_does_no_harm(wire: Wire, path: bytes, rest: bytes) -> None:
    begin = b"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" % path
    answer = wire.send(begin + rest, "POST")
    assert answer is None or 400 <= answer.status_code <= 431 or answer.status_code == 501


@pytest.mark.parametrize(
    "data",
    [
        *(b"\r\n\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"),
        *(b"GET / HTTP/1.1 x\r\n\r\n", b"x" * 100_000, b"\x00" * 1000, b"SSH-2.0-x\r\n\r\n"),
    ],
    ids=short,
)
def test_bytes_that_are_not_http_do_no_harm(api: httpx.Client, wire: Wire, data: bytes) -> None:
    with wire.connect() as connection:
        connection.sendall(data)
        assert api.get("/livez").status_code == 200


def test_no_answer_of_one_request_reaches_another(api: httpx.Client, wire: Wire) -> None:
    """A request hidden in the body of another is not a request: RFC 9112, section 11.2."""
    hidden = f"GET /hidden-{word()} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    head = wire.head("POST", "/users/", [("Content-Length", str(len(hidden)))])
    following = wire.head("GET", "/livez", [("Connection", "close")])
    with wire.connect() as connection:
        connection.sendall(head + hidden + following)
        answered = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"hidden" not in answered
    assert api.get("/livez").status_code == 200
