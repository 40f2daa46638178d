"""Checks of a request's head, without a socket: RFC 9112, sections 2.5, 3.2, 6.1 and 6.3."""

import pytest

from gateway.client.head import check_fields, origin_form
from gateway.http1 import Headers
from gateway.problems import Problem

HOST = (b"host", b"a")

GOOD: list[tuple[str, Headers]] = [
    ("1.1", [HOST]),
    ("1.1", [(b"host", b"[2001:db8::1]:8000")]),
    ("1.1", [HOST, (b"transfer-encoding", b"Chunked")]),
    ("1.1", [HOST, (b"content-length", b"0" * 19)]),
    ("1.0", [HOST]),
]
BAD: list[tuple[int, str, Headers]] = [
    (400, "0.9", [HOST]),
    (505, "2.0", [HOST]),
    (505, "1.2", [HOST]),
    (400, "1.1", []),
    (400, "1.1", [HOST, HOST]),
    (400, "1.0", [HOST, HOST]),
    (400, "1.1", [(b"host", b"")]),
    (400, "1.1", [(b"host", b"a b")]),
    (400, "1.1", [(b"host", b"u@a")]),
    (400, "1.1", [(b"host", b"a:port")]),
    (400, "1.1", [(b"host", b"a\n")]),
    (400, "1.1", [HOST, (b"transfer-encoding", b"gzip, chunked")]),
    (400, "1.1", [HOST, (b"transfer-encoding", b"identity")]),
    (400, "1.1", [HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")]),
    (400, "1.0", [HOST, (b"transfer-encoding", b"chunked")]),
    (400, "1.1", [HOST, (b"content-length", b"0" * 20)]),
]


@pytest.mark.parametrize(("version", "fields"), GOOD)
def test_a_head_with_one_meaning_passes(version: str, fields: Headers) -> None:
    before = list(fields)
    check_fields(version, fields)
    assert fields == before


@pytest.mark.parametrize(("status", "version", "fields"), BAD)
def test_a_head_with_two_meanings_is_a_problem(status: int, version: str, fields: Headers) -> None:
    with pytest.raises(Problem) as problem:
        check_fields(version, fields)
    assert problem.value.status == status


def test_a_head_of_http_1_0_without_a_host_gets_an_empty_one() -> None:
    fields: Headers = []
    check_fields("1.0", fields)
    assert fields == [(b"host", b"")]


TARGETS = [
    ("GET", b"/posts?a=b", b"/posts?a=b", b"a"),
    ("GET", b"http://b.example:81/posts?a=b", b"/posts?a=b", b"b.example:81"),
    ("GET", b"HTTPS://b/", b"/", b"b"),
    ("GET", b"http://b", b"/", b"b"),
    ("GET", b"http://b?x", b"/?x", b"b"),
    ("OPTIONS", b"*", b"*", b"a"),
    ("CONNECT", b"a:80", b"a:80", b"a"),
]


@pytest.mark.parametrize(("method", "target", "path", "host"), TARGETS)
def test_an_absolute_target_becomes_a_path_and_a_host(
    method: str, target: bytes, path: bytes, host: bytes
) -> None:
    fields: Headers = [(b"x", b"1"), HOST]
    assert origin_form(method, target, fields) == path
    assert fields == [(b"x", b"1"), (b"host", host)]


@pytest.mark.parametrize("target", [b"*", b"posts", b"http:///x", b"ftp://a/", b"http://u@a/", b""])
def test_a_malformed_target_is_400(target: bytes) -> None:
    with pytest.raises(Problem) as problem:
        origin_form("GET", target, [HOST])
    assert problem.value.status == 400
