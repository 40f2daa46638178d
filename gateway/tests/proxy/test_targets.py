"""Path and query are forwarded byte for byte; nothing leaves its prefix: RFC 3986."""

import pytest
from support.gateway import Pair
from support.wire import PROBLEM

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
def test_a_target_is_forwarded_byte_for_byte(pair: Pair, path: str) -> None:
    gateway, raw = pair
    assert gateway.get(path).status == 200
    assert raw.target == path.encode()


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
    "/../posts",
    "/posts/1#x",
    "/posts/%25252525",
]
MISLEADING = [
    "/posts/1%5C",
    "/posts/%00",
    "/posts/1%2500",
    "/posts/%0A",
    "/posts/%0d%0aX:%20y",
    "/posts/%1f",
    "/posts/%7F",
    "/posts/1%250a",
    "/auth/token%0A",
    "/livez%0A",
    "/%0A",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_a_path_that_could_leave_its_prefix_is_400(pair: Pair, path: str) -> None:
    """RFC 3986, section 5.2.4, in every spelling that some software might decode."""
    gateway, raw = pair
    answer = gateway.get(path)
    assert answer.status == 400
    assert answer.all(b"content-type") == PROBLEM
    assert raw.requests == []


@pytest.mark.parametrize("path", MISLEADING)
def test_a_path_that_some_router_takes_for_another_is_404(pair: Pair, path: str) -> None:
    gateway, raw = pair
    answer = gateway.get(path)
    assert answer.status == 404
    assert answer.all(b"content-type") == PROBLEM
    assert raw.requests == []


@pytest.mark.parametrize(
    "path", ["/postsX", "/post", "/posts%2f1", "//posts", "/POSTS", "/%70osts"]
)
def test_a_prefix_matches_only_whole_segments_as_spelt(pair: Pair, path: str) -> None:
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
    assert raw.target == expected
    assert raw.all(b"host") == raw.all(b"x-forwarded-host") == [b"other.example:81"]


@pytest.mark.parametrize("host", [b"evil.example", b"127.0.0.1:1", b"[::1]:80", b"A-b_c.d.:9"])
def test_a_host_is_forwarded_and_chooses_no_upstream(pair: Pair, host: bytes) -> None:
    gateway, raw = pair
    head = b"GET /posts HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
    assert gateway.send(head).status == 200
    assert raw.all(b"host") == [host]
