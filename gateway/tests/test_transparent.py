"""What passes through the gateway unchanged, and the few things that do not."""

import gzip
import time
from typing import Any

import pytest
from conftest import Answer, RawUpstream, Running, fields

from gateway.heads import is_unsafe

Pair = tuple[Running, RawUpstream]

# What the gateway adds to a response, beside the request id and what limits say.
OWN = {
    b"x-request-id",
    b"x-content-type-options",
    b"x-frame-options",
    b"referrer-policy",
    b"cross-origin-resource-policy",
    b"content-security-policy",
}
ADDED_UPSTREAM = {
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"forwarded",
    b"traceparent",
    b"x-request-id",
}


def sent(raw: RawUpstream) -> list[tuple[bytes, bytes]]:
    """The fields that reached the upstream."""
    return fields(raw.requests[-1].partition(b"\r\n\r\n")[0] + b"\r\n\r\n")


def sent_all(raw: RawUpstream, name: bytes) -> list[bytes]:
    return [value for field, value in sent(raw) if field == name]


def reply(*lines: bytes, body: bytes = b"ok", status: bytes = b"200 OK") -> bytes:
    head = [b"HTTP/1.1 " + status, *lines, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def target(raw: RawUpstream) -> bytes:
    return raw.requests[-1].split(b" ")[1]


def passed(answer: Answer) -> list[tuple[bytes, bytes]]:
    """The fields of a response that are not the gateway's own."""
    return [field for field in answer.headers if field[0] not in OWN]


# RFC 9110, sections 5.2 and 5.3: order and repeats of field lines mean something.

REQUEST_FIELDS = [
    (b"x-a", b"1"),
    (b"x-b", b"two, three"),
    (b"x-a", b"2"),
    (b"cookie", b"a=1"),
    (b"cookie", b"b=2"),
    (b"x-latin", b"\xe4\xf6\xfc"),
    (b"x-empty", b""),
    (b"x-spaces", b"a  b\tc"),
    (b"authorization", b"Bearer x.y.z"),
    (b"x-quoted", b'"a\\"b, c"'),
]


def test_request_fields_keep_their_order_repeats_and_bytes(pair: Pair) -> None:
    gateway, raw = pair
    gateway.get("/posts", *(b"%b: %b" % field for field in REQUEST_FIELDS))
    assert [f for f in sent(raw) if f[0] not in ADDED_UPSTREAM] == [
        (b"host", b"inkwell"),
        *REQUEST_FIELDS,
    ]


def test_no_request_field_is_invented_beyond_the_documented_ones(pair: Pair) -> None:
    gateway, raw = pair
    gateway.get("/posts")
    assert {name for name, _ in sent(raw)} == {b"host", *ADDED_UPSTREAM}


RESPONSE_FIELDS = [
    (b"set-cookie", b"a=1; Path=/"),
    (b"x-b", b"1"),
    (b"set-cookie", b"b=2; HttpOnly"),
    (b"link", b'</posts?after=2>; rel="next"'),
    (b"x-latin", b"\xe4\xf6"),
    (b"x-empty", b""),
    (b"vary", b"Accept"),
    (b"vary", b"Origin"),
    (b"date", b"Sun, 06 Nov 1994 08:49:37 GMT"),
    (b"etag", b'W/"x"'),
    (b"www-authenticate", b"Basic"),
    (b"www-authenticate", b"Bearer"),
]


def test_response_fields_keep_their_order_repeats_and_bytes(pair: Pair) -> None:
    gateway, raw = pair
    raw.reply = reply(*(b"%b: %b" % field for field in RESPONSE_FIELDS))
    answer = gateway.get("/posts")
    assert passed(answer) == [
        *RESPONSE_FIELDS,
        (b"content-length", b"2"),
        (b"connection", b"close"),
    ]


def test_server_is_removed_and_date_appears_once(pair: Pair) -> None:
    gateway, raw = pair
    raw.reply = reply(b"Server: secret/1.0", b"Date: Sun, 06 Nov 1994 08:49:37 GMT")
    answer = gateway.get("/posts")
    assert answer.all(b"server") == []
    assert answer.all(b"date") == [b"Sun, 06 Nov 1994 08:49:37 GMT"]


def test_a_missing_date_is_added_once(pair: Pair) -> None:
    """RFC 9110, section 6.6.1."""
    gateway, _ = pair
    assert len(gateway.get("/posts").all(b"date")) == 1


def test_no_cookie_of_one_client_reaches_another_s_request(pair: Pair) -> None:
    gateway, raw = pair
    raw.reply = reply(b"Set-Cookie: session=alice")
    gateway.get("/posts")
    gateway.get("/posts")
    assert sent_all(raw, b"cookie") == []


# RFC 9110, section 7.6.1: hop-by-hop fields, and those that Connection names.

HOP_BY_HOP = [
    b"Keep-Alive: timeout=5",
    b"Proxy-Connection: keep-alive",
    b"Proxy-Authorization: Basic x",
    b"Proxy-Authenticate: Basic",
    b"TE: trailers",
    b"Trailer: X-Sum",
    b"Upgrade: h2c",
]


@pytest.mark.parametrize("field", HOP_BY_HOP)
def test_hop_by_hop_fields_do_not_reach_the_upstream(pair: Pair, field: bytes) -> None:
    gateway, raw = pair
    gateway.get("/posts", field)
    assert sent_all(raw, field.partition(b":")[0].lower()) == []
    assert sent_all(raw, b"connection") == []


@pytest.mark.parametrize("field", [f for f in HOP_BY_HOP if f != b"Upgrade: h2c"])
def test_hop_by_hop_fields_do_not_reach_the_client(pair: Pair, field: bytes) -> None:
    gateway, raw = pair
    raw.reply = reply(field)
    answer = gateway.get("/posts")
    assert answer.body == b"ok"
    assert answer.all(field.partition(b":")[0].lower()) == []


@pytest.mark.parametrize("connection", [b"x-named", b"keep-alive, X-Named", b"close,X-NAMED"])
def test_fields_named_by_connection_are_removed_both_ways(pair: Pair, connection: bytes) -> None:
    gateway, raw = pair
    raw.reply = reply(b"Connection: " + connection, b"X-Named: 1", b"X-Other: 2")
    answer = gateway.get("/posts", b"Connection: " + connection, b"X-Named: 1", b"X-Other: 2")
    assert (sent_all(raw, b"x-named"), sent_all(raw, b"x-other")) == ([], [b"2"])
    assert (answer.all(b"x-named"), answer.all(b"x-other")) == ([], [b"2"])


def test_connection_cannot_remove_what_frames_or_says_where_from(pair: Pair) -> None:
    gateway, raw = pair
    raw.reply = reply(b"Connection: content-length")
    named = b"Connection: Content-Length, X-Forwarded-For, X-Request-ID, Host"
    answer = gateway.get("/users", named, b"X-Request-ID: kept", method="POST", body=b"abc")
    assert sent_all(raw, b"content-length") == [b"3"]
    assert sent_all(raw, b"x-forwarded-for") == [b"127.0.0.1"]
    assert sent_all(raw, b"x-request-id") == [b"kept"]
    assert sent_all(raw, b"host") == [b"inkwell"]
    assert answer.all(b"content-length") == [b"2"]
    assert answer.body == b"ok"


def test_an_upgrade_is_ignored_and_its_body_belongs_to_the_request(pair: Pair) -> None:
    """RFC 9110, section 7.8: a server may ignore Upgrade; the body is not a second request."""
    gateway, raw = pair
    smuggled = b"GET /posts/smuggled HTTP/1.1\r\nHost: inkwell\r\n\r\n"
    answer = gateway.get(
        "/users", b"Upgrade: h2c", b"Connection: upgrade", method="POST", body=smuggled
    )
    assert answer.status == 200
    assert len(raw.requests) == 1
    assert raw.requests[0].endswith(b"\r\n\r\n" + smuggled)
    assert sent_all(raw, b"upgrade") == []


# RFC 9112, sections 6 and 7: framing.


def test_a_body_keeps_its_content_length(pair: Pair) -> None:
    gateway, raw = pair
    body = bytes(range(256)) * 40
    gateway.get("/users", method="POST", body=body)
    assert raw.requests[-1].endswith(b"\r\n\r\n" + body)
    assert sent_all(raw, b"content-length") == [b"%d" % len(body)]
    assert sent_all(raw, b"transfer-encoding") == []


def test_a_chunked_body_stays_chunked_and_its_trailers_are_dropped(pair: Pair) -> None:
    gateway, raw = pair
    head = b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
    gateway.send(head + b"\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n")
    assert sent_all(raw, b"transfer-encoding") == [b"chunked"]
    assert sent_all(raw, b"content-length") == sent_all(raw, b"x-trailer") == []
    assert raw.requests[-1].endswith(b"5\r\nabcde\r\n0\r\n\r\n")


def test_a_get_without_a_body_stays_without_one(pair: Pair) -> None:
    gateway, raw = pair
    gateway.get("/posts")
    assert raw.requests[-1].endswith(b"\r\n\r\n")
    assert sent_all(raw, b"content-length") == sent_all(raw, b"transfer-encoding") == []


def test_a_get_with_a_body_keeps_it(pair: Pair) -> None:
    gateway, raw = pair
    gateway.get("/users", body=b"abc")
    assert raw.requests[-1].endswith(b"\r\n\r\nabc")


def test_an_empty_body_keeps_its_content_length(pair: Pair) -> None:
    gateway, raw = pair
    gateway.get("/users", b"Content-Length: 0", method="POST")
    assert sent_all(raw, b"content-length") == [b"0"]


REFUSED_FRAMING: list[tuple[str, bytes, int]] = [
    ("both", b"Content-Length: 3\r\nTransfer-Encoding: chunked", 400),
    ("both, other order", b"Transfer-Encoding: chunked\r\nContent-Length: 3", 400),
    ("two lengths", b"Content-Length: 3\r\nContent-Length: 4", 400),
    ("the same length twice", b"Content-Length: 3\r\nContent-Length: 3", 400),
    ("a list of lengths", b"Content-Length: 3, 3", 400),
    ("a signed length", b"Content-Length: +3", 400),
    ("a negative length", b"Content-Length: -3", 400),
    ("a hexadecimal length", b"Content-Length: 0x3", 400),
    ("an empty length", b"Content-Length:", 400),
    ("a huge length", b"Content-Length: 99999999999999999999999", 400),
    ("a length of many digits", b"Content-Length: " + b"0" * 5000 + b"3", 400),
    ("chunked twice", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
    ("chunked, chunked", b"Transfer-Encoding: chunked, chunked", 400),
    ("chunked not last", b"Transfer-Encoding: chunked, gzip", 400),
    ("identity", b"Transfer-Encoding: identity", 400),
    ("an unknown coding", b"Transfer-Encoding: xchunked", 400),
    ("gzip before chunked", b"Transfer-Encoding: gzip, chunked", 400),
    ("vertical tab", b"Transfer-Encoding: \x0bchunked", 400),
    ("space before the colon", b"Content-Length : 3", 400),
    ("a folded line", b"X: a\r\n b", 400),
    ("a bare carriage return", b"X: a\rb", 400),
    ("a bare line feed", b"X: a\nContent-Length: 3", 400),
    ("NUL in a value", b"X: a\0b", 400),
    ("an empty name", b": a", 400),
    ("a bad name", b"X(: a", 400),
]


@pytest.mark.parametrize(("what", "lines", "status"), REFUSED_FRAMING)
def test_ambiguous_framing_is_refused_and_nothing_is_sent(
    pair: Pair, what: str, lines: bytes, status: int
) -> None:
    """RFC 9112, sections 5.1, 5.2, 6.1 and 6.3."""
    gateway, raw = pair
    answer = gateway.send(b"POST /users HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n\r\nabc")
    assert answer.status == status, what
    assert answer.all(b"content-type") == [b"application/problem+json"]
    assert raw.requests == []


REFUSED_CHUNKS = [
    b"0x3\r\nabc",
    b" 3\r\nabc",
    b"3 \r\nabc",
    b"3\nabc\n",
    b"-3\r\nabc",
    b"\r\n",
    b"F" * 17,
]


@pytest.mark.parametrize("chunk", REFUSED_CHUNKS)
def test_malformed_chunks_are_refused(pair: Pair, chunk: bytes) -> None:
    """RFC 9112, section 7.1."""
    gateway, raw = pair
    head = b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert gateway.send(head + chunk + b"\r\n0\r\n\r\n").status == 400
    assert raw.requests == []


REFUSED_LINES: list[tuple[bytes, int]] = [
    (b"GET /posts HTTP/1.1\nHost: a\n", 400),
    (b"GET /posts\r\nHost: a\r\n", 400),
    (b"GET /posts HTTP/2.0\r\nHost: a\r\n", 505),
    (b"GET /posts HTTP/0.9\r\nHost: a\r\n", 400),
    (b"GET /posts HTTP/1.9\r\nHost: a\r\n", 400),
    (b"GET /posts http/1.1\r\nHost: a\r\n", 400),
    (b"GET /a b HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET /posts HTTP/1.1 \r\nHost: a\r\n", 400),
    (b"get /posts HTTP/1.1\r\nHost: a\r\n", 400),
    (b"NOPE /posts HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET posts HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET * HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET /posts\xff HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET /posts HTTP/1.1\r\n Host: a\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01", 400),
    # RFC 9112, section 3.2: Host
    (b"GET /posts HTTP/1.1\r\nX: a\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost:\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: a b\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: a,b\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: a/posts\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: u@a\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: a:b\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: [::1\r\n", 400),
    (b"GET /posts HTTP/1.1\r\nHost: \xff\r\n", 400),
    (b"GET http:///posts HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET http://a/posts HTTP/1.1\r\nHost: a b\r\n", 400),
    (b"GET http://a/posts HTTP/1.1\r\n", 400),
    (b"GET http://a,b/posts HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET ftp://a/posts HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET http://u@a/posts HTTP/1.1\r\nHost: a\r\n", 400),
    (b"POST /users HTTP/1.0\r\nTransfer-Encoding: chunked\r\nHost: a\r\n", 400),
]


@pytest.mark.parametrize(("head", "status"), REFUSED_LINES)
def test_what_is_no_valid_request_is_refused(pair: Pair, head: bytes, status: int) -> None:
    gateway, raw = pair
    answer = gateway.send(head + b"\r\n")
    assert answer.status == status
    assert answer.all(b"content-type") == [b"application/problem+json"]
    assert answer.all(b"connection") == [b"close"]
    assert len(answer.all(b"x-request-id")) == len(answer.all(b"date")) == 1
    assert raw.requests == []


# RFC 3986: path and query go byte for byte.

TARGETS = [
    "/posts",
    "/posts/",
    "/posts/1",
    "/posts//1",
    "/posts/a%2Fb",
    "/posts/a%2fb",
    "/posts/%20",
    "/posts/a+b;c=d,e",
    "/posts/%3Fx",
    "/posts/%23",
    "/posts/%FF%fe",
    "/posts/%E4%B8%AD",
    "/posts/...",
    "/posts/.hidden",
    "/posts/a..b",
    "/posts/%25",
    "/posts/%zz",
    "/posts/:@!$&'()*~",
    "/posts?a=1&a=2&b",
    "/posts?a=%20+%2B;c",
    "/posts?=&&=",
    "/posts?q=../..",
    "/posts?x=%00",
    "/posts?x=%FF",
    "/posts?x?y=/z?",
    '/posts?q="<>{}|^`',
    "/.well-known/jwks.json",
    "/users/a%40b",
]


@pytest.mark.parametrize("path", TARGETS)
def test_the_target_is_forwarded_byte_for_byte(pair: Pair, path: str) -> None:
    gateway, raw = pair
    assert gateway.get(path).status == 200
    assert target(raw) == path.encode()


ESCAPES = [
    "/posts/../users",
    "/posts/..",
    "/posts/.",
    "/posts/./1",
    "/posts/%2e%2e/users",
    "/posts/%2E./users",
    "/posts/.%2e/users",
    "/posts/%2e",
    "/posts%2f..%2fusers",
    "/posts/..%2fusers",
    "/posts/%252e%252e/users",
    "/posts/%25252e%25252e/users",
    "/posts/..;/users",
    "/posts/..;x=y/users",
    "/posts/%c0%ae%c0%ae/users",
    "/posts/%c0%ae%c0%ae%c0%afusers",
    "/posts/..\\users",
    "/posts\\..\\users",
    "/posts/%5c..%5cusers",
    "/posts/1%5C",
    "/posts/%00",
    "/posts/1%2500",
    "/../posts",
    "/posts/1#x",
    "/posts/%0A",
    "/posts/%0d%0aX:%20y",
    "/posts/%1f",
    "/posts/%7F",
    "/posts/1%250a",
    "/auth/token%0A",
    "/livez%0A",
    "/%0A",
    "/posts/%25252525",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_nothing_leaves_its_prefix(pair: Pair, path: str) -> None:
    """RFC 3986, section 5.2.4, for every spelling that someone behind might undo."""
    gateway, raw = pair
    answer = gateway.get(path)
    assert answer.status == 400
    assert answer.all(b"content-type") == [b"application/problem+json"]
    assert raw.requests == []


def test_a_path_encoded_again_and_again_costs_next_to_nothing() -> None:
    began = time.perf_counter()
    assert all(is_unsafe(b"/posts/%" + b"25" * 4080) for _ in range(100))
    assert time.perf_counter() - began < 0.3


@pytest.mark.parametrize(
    "path", ["/postsX", "/post", "/posts%2f1", "//posts", "/POSTS", "/%70osts"]
)
def test_a_prefix_matches_whole_segments_as_they_are_spelt(pair: Pair, path: str) -> None:
    gateway, raw = pair
    assert gateway.get(path).status == 404
    assert raw.requests == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (b"http://other.example:81/posts/1?a=b", b"/posts/1?a=b"),
        (b"HTTPS://other.example:81/users", b"/users"),
    ],
)
def test_an_absolute_target_chooses_the_host_but_not_the_upstream(
    pair: Pair, url: bytes, expected: bytes
) -> None:
    """RFC 9112, section 3.2.2."""
    gateway, raw = pair
    gateway.send(b"GET " + url + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert target(raw) == expected
    assert sent_all(raw, b"host") == sent_all(raw, b"x-forwarded-host") == [b"other.example:81"]


def test_an_absolute_target_of_http_1_0_names_the_host(pair: Pair) -> None:
    gateway, raw = pair
    gateway.send(b"GET http://other.example/posts HTTP/1.0\r\n\r\n")
    assert sent_all(raw, b"host") == sent_all(raw, b"x-forwarded-host") == [b"other.example"]


@pytest.mark.parametrize("host", [b"evil.example", b"127.0.0.1:1", b"[::1]:80", b"A-b_c.d.:9"])
def test_the_host_is_passed_on_and_chooses_nothing(pair: Pair, host: bytes) -> None:
    gateway, raw = pair
    head = b"GET /posts HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
    assert gateway.send(head).status == 200
    assert sent_all(raw, b"host") == [host]


def test_a_client_of_http_1_0_needs_no_host_and_gets_no_chunks(pair: Pair) -> None:
    """RFC 9112, sections 3.2 and 6.1."""
    gateway, raw = pair
    raw.reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    answer = gateway.send(b"GET /posts HTTP/1.0\r\n\r\n")
    assert answer.body == b"ok"
    assert answer.all(b"transfer-encoding") == []
    assert answer.all(b"connection") == [b"close"]
    assert sent_all(raw, b"host") == [b""]


# RFC 9110, section 9: methods.

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PURGE", "QUERY", "LINK"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_passes(pair: Pair, method: str) -> None:
    gateway, raw = pair
    assert gateway.get("/users", method=method).status == 200
    assert raw.requests[-1].startswith(method.encode() + b" /users HTTP/1.1\r\n")


@pytest.mark.parametrize("target", [b"TRACE /posts", b"CONNECT a:80", b"CONNECT posts:1"])
def test_trace_and_connect_are_refused(pair: Pair, target: bytes) -> None:
    gateway, raw = pair
    answer = gateway.send(target + b" HTTP/1.1\r\nHost: a:80\r\nConnection: close\r\n\r\n")
    assert answer.status == 405
    assert b"GET" in answer.all(b"allow")[0]
    assert raw.requests == []


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/livez", "/static/x.css"])
@pytest.mark.parametrize("method", ["TRACE", "POST"])
def test_of_its_own_paths_the_gateway_names_the_methods(pair: Pair, path: str, method: str) -> None:
    """RFC 9110, section 15.5.6."""
    answer = pair[0].get(path, method=method)
    allowed = {name.strip() for name in b",".join(answer.all(b"allow")).split(b",")}
    assert (answer.status, allowed) == (405, {b"GET", b"HEAD"})


def test_trace_of_an_unknown_path_is_not_found(pair: Pair) -> None:
    assert pair[0].get("/nothing", method="TRACE").status == 404


@pytest.mark.parametrize("framing", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X: y"])
def test_head_has_no_body_and_leaves_the_connection_good(pair: Pair, framing: bytes) -> None:
    """RFC 9110, section 9.3.2."""
    gateway, raw = pair
    raw.reply = b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n"
    answers = [gateway.get("/posts", method="HEAD") for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert {answer.body for answer in answers} == {b""}
    if framing.startswith(b"Content-Length"):
        assert answers[0].all(b"content-length") == [b"5"]
    assert all(answer.all(b"transfer-encoding") == [] for answer in answers)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("length", [b"Content-Length: 5\r\n", b""])
def test_204_and_304_have_no_body(pair: Pair, status: bytes, length: bytes) -> None:
    """RFC 9110, sections 8.6, 15.3.5 and 15.4.5."""
    gateway, raw = pair
    raw.reply = b"HTTP/1.1 " + status + b"\r\n" + length + b"\r\n"
    answer = gateway.get("/posts")
    assert answer.body == b""
    assert answer.all(b"transfer-encoding") == []
    kept = [b"5"] if length and status.startswith(b"304") else []
    assert answer.all(b"content-length") == kept


@pytest.mark.parametrize("status", [200, 201, 206, 301, 307, 400, 404, 418, 429, 500, 503, 599])
def test_every_status_passes_with_its_body(pair: Pair, status: int) -> None:
    gateway, raw = pair
    raw.reply = reply(b"Location: /posts/7", body=b"as it is", status=b"%d X" % status)
    answer = gateway.get("/posts")
    assert (answer.status, answer.body) == (status, b"as it is")
    assert answer.all(b"location") == [b"/posts/7"]


def test_ranges_gzip_and_binary_bodies_are_untouched(pair: Pair) -> None:
    """RFC 9110, sections 8.4 and 14."""
    gateway, raw = pair
    body = gzip.compress(bytes(range(256)) * 99)
    lines = (b"Content-Encoding: gzip", b"Content-Range: bytes 0-9/99", b"Accept-Ranges: bytes")
    raw.reply = reply(*lines, body=body, status=b"206 Partial Content")
    answer = gateway.get("/posts", b"Range: bytes=0-9", b"Accept-Encoding: br", b"If-Range: x")
    assert (answer.status, answer.body) == (206, body)
    assert answer.all(b"content-encoding") == [b"gzip"]
    assert sent_all(raw, b"range") == [b"bytes=0-9"]
    assert sent_all(raw, b"accept-encoding") == [b"br"]


@pytest.mark.parametrize("size", [0, 1, 65536, 1_000_000])
def test_bodies_of_every_framing_arrive_whole(pair: Pair, size: int) -> None:
    """RFC 9112, section 6.3: by length, in chunks, or to the end of the connection."""
    gateway, raw = pair
    body = b"x" * size

    def framed(index: int) -> bytes:
        chunk = b"%x\r\n%b\r\n" % (size, body) if size else b""
        return [
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, body),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n",
            b"HTTP/1.0 200 OK\r\n\r\n" + body,
        ][index]

    for index in range(3):

        def script(sock: Any, _: bytes, index: int = index) -> None:
            sock.sendall(framed(index))
            if index == 2:
                sock.close()

        raw.script = script
        assert gateway.get("/posts").body == body


# Where a request comes from.


def test_a_stranger_s_forwarded_fields_are_replaced(pair: Pair) -> None:
    """RFC 7239, section 8.1."""
    gateway, raw = pair
    forged = (
        b"X-Forwarded-For: 6.6.6.6",
        b"X-Forwarded-For: 7.7.7.7",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: evil",
        b"Forwarded: for=6.6.6.6",
    )
    gateway.get("/posts", *forged)
    assert sent_all(raw, b"x-forwarded-for") == [b"127.0.0.1"]
    assert sent_all(raw, b"x-forwarded-proto") == [b"http"]
    assert sent_all(raw, b"x-forwarded-host") == [b"inkwell"]
    assert sent_all(raw, b"forwarded") == [b"for=127.0.0.1;host=inkwell;proto=http"]


def test_a_trusted_proxy_s_forwarded_fields_are_appended_to(
    gateway: Any, upstream: RawUpstream
) -> None:
    """RFC 7239, section 4."""
    running = gateway(upstream.url, trusted_proxies="127.0.0.0/8, ::1")
    running.send(
        b"GET /posts HTTP/1.1\r\nHost: a:80\r\nX-Forwarded-For: 6.6.6.6\r\n"
        b"X-Forwarded-For: 7.7.7.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n"
        b"Forwarded: for=7.7.7.7\r\nConnection: close\r\n\r\n"
    )
    assert sent_all(upstream, b"x-forwarded-for") == [b"6.6.6.6, 7.7.7.7, 127.0.0.1"]
    assert sent_all(upstream, b"x-forwarded-proto") == [b"https"]
    assert sent_all(upstream, b"x-forwarded-host") == [b"b"]
    assert sent_all(upstream, b"forwarded") == [
        b'for=7.7.7.7, for=127.0.0.1;host="a:80";proto=http'
    ]
    running.get("/posts")
    assert sent_all(upstream, b"x-forwarded-proto") == [b"http"]


# One id, one trace.


@pytest.mark.parametrize("sent_id", [b"abc", b"A-b.c_9", b"x" * 128])
def test_a_good_request_id_is_kept_both_ways(pair: Pair, sent_id: bytes) -> None:
    gateway, raw = pair
    raw.reply = reply(b"X-Request-ID: upstream-s", b"X-Request-ID: twice")
    answer = gateway.get("/posts", b"X-Request-ID: " + sent_id)
    assert sent_all(raw, b"x-request-id") == answer.all(b"x-request-id") == [sent_id]


@pytest.mark.parametrize("bad", [b"", b"x" * 129, b"a b", b"a,b", b"\xe4", b"a\r\nX-Request-ID: b"])
def test_a_bad_request_id_is_replaced(pair: Pair, bad: bytes) -> None:
    gateway, raw = pair
    answer = gateway.get("/posts", b"X-Request-ID: " + bad)
    (new,) = answer.all(b"x-request-id")
    assert sent_all(raw, b"x-request-id") == [new]
    assert len(new) == 32


GOOD_TRACES = [
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
    b"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
]
BAD_TRACES = [
    b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntraceparent: x",
    b"nonsense",
]


@pytest.mark.parametrize("parent", GOOD_TRACES)
def test_a_valid_trace_passes(pair: Pair, parent: bytes) -> None:
    """W3C Trace Context, section 3."""
    gateway, raw = pair
    gateway.get("/posts", b"traceparent: " + parent, b"tracestate: a=1", b"tracestate: b=2")
    assert sent_all(raw, b"traceparent") == [parent]
    assert sent_all(raw, b"tracestate") == [b"a=1", b"b=2"]


GOOD_STATES = [b"a=1", b"a=1,b=2", b"0a/b*c-d_e@f=x y!", b"a=1, ,b=2,", b""]
BAD_STATES = [
    b"\xff garbage=,,",
    b"a",
    b"=1",
    b"a=",
    b"A=1",
    b"a=1=2",
    b"a=\xe4",
    b"a=" + b"x" * 257,
]


@pytest.mark.parametrize("state", [*GOOD_STATES, *BAD_STATES])
def test_a_trace_state_passes_when_it_is_valid(pair: Pair, state: bytes) -> None:
    """W3C Trace Context, section 3.3.1; the trace itself goes on either way."""
    gateway, raw = pair
    gateway.get("/posts", b"traceparent: " + GOOD_TRACES[0], b"tracestate: " + state)
    assert sent_all(raw, b"traceparent") == [GOOD_TRACES[0]]
    assert sent_all(raw, b"tracestate") == ([state] if state in GOOD_STATES else [])


@pytest.mark.parametrize("parent", BAD_TRACES)
def test_an_invalid_trace_begins_anew(pair: Pair, parent: bytes) -> None:
    """W3C Trace Context, sections 3.2.2 and 4.3."""
    gateway, raw = pair
    gateway.get("/posts", b"traceparent: " + parent, b"tracestate: a=1")
    (begun,) = sent_all(raw, b"traceparent")
    assert begun not in parent
    assert [len(part) for part in begun.split(b"-")] == [2, 32, 16, 2]
    assert sent_all(raw, b"tracestate") == []


def test_several_requests_on_one_connection_are_answered_in_order(pair: Pair) -> None:
    """RFC 9112, section 9.3.2."""
    gateway, raw = pair
    request = b"GET /posts/%d HTTP/1.1\r\nHost: a\r\n%b\r\n"
    with gateway.connect() as sock:
        sock.sendall(
            request % (1, b"") + request % (2, b"") + request % (3, b"Connection: close\r\n")
        )
        got = b""
        while piece := sock.recv(65536):
            got += piece
    assert got.count(b"HTTP/1.1 200 OK") == 3
    assert [r.split(b" ")[1] for r in raw.requests] == [b"/posts/1", b"/posts/2", b"/posts/3"]
