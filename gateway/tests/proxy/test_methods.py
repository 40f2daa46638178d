"""Every method passes but TRACE and CONNECT: RFC 9110, section 9."""

import pytest
from support.gateway import Pair

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PURGE", "QUERY", "LINK"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_passes(pair: Pair, method: str) -> None:
    gateway, raw = pair
    assert gateway.get("/users", method=method).status == 200
    assert raw.requests[-1].startswith(method.encode() + b" /users HTTP/1.1\r\n")


@pytest.mark.parametrize("target", [b"TRACE /posts", b"CONNECT a:80", b"CONNECT posts:1"])
def test_trace_and_connect_are_405(pair: Pair, target: bytes) -> None:
    gateway, raw = pair
    answer = gateway.send(target + b" HTTP/1.1\r\nHost: a:80\r\nConnection: close\r\n\r\n")
    assert answer.status == 405
    assert b"GET" in answer.all(b"allow")[0]
    assert raw.requests == []


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/livez", "/static/x.css"])
@pytest.mark.parametrize("method", ["TRACE", "POST"])
def test_another_method_on_the_gateways_own_paths_is_405_with_allow(
    pair: Pair, path: str, method: str
) -> None:
    """RFC 9110, section 15.5.6."""
    answer = pair[0].get(path, method=method)
    allowed = {name.strip() for name in b",".join(answer.all(b"allow")).split(b",")}
    assert (answer.status, allowed) == (405, {b"GET", b"HEAD"})


def test_trace_of_an_unknown_path_is_404(pair: Pair) -> None:
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
