"""Several requests on one connection: RFC 9112, section 9.3.2."""

import threading

import pytest
from support.gateway import Pair
from support.upstream import answer_after, by_path
from support.waiting import eventually
from support.wire import GET, parse, read_all, read_head


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


def test_the_eighteenth_pipelined_request_is_429(pair: Pair) -> None:
    gateway, raw = pair
    go_on = threading.Event()
    raw.script = answer_after(go_on)
    with gateway.connect() as sock:
        sock.sendall(GET * 1000)
        eventually(lambda: raw.requests)
        go_on.set()
        answers = read_all(sock)
    assert answers.count(b"HTTP/1.1 200 ") == 17
    last = parse(answers[answers.rindex(b"HTTP/1.1 ") :])
    assert (last.status, last.all(b"retry-after")) == (429, [b"1"])
    assert len(raw.requests) == 17
    # It is not a rate limit's refusal.
    assert gateway.metric("gateway_limited_total", route="/posts") is None


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01", b"GET /posts HTTP/1.1\r\nHost : a\r\n\r\n"])
def test_garbage_behind_a_request_is_400_after_its_answer(pair: Pair, garbage: bytes) -> None:
    gateway, _ = pair
    with gateway.connect() as sock:
        sock.sendall(GET + garbage)
        answers = read_all(sock).split(b"HTTP/1.1 ")
    assert [answer[:3] for answer in answers] == [b"", b"200", b"400"]


def test_a_body_that_turns_into_garbage_after_the_answer_does_no_harm(pair: Pair) -> None:
    gateway, raw = pair
    raw.script = by_path({})
    head = b"POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    with gateway.connect() as sock:
        sock.sendall(head)
        assert read_head(sock)[1] == b"ok"
        sock.sendall(b"zz\r\n")
        assert read_all(sock) == b""
