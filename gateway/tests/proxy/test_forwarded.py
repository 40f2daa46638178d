"""X-Forwarded-For, -Proto, -Host and Forwarded, from strangers and from trusted proxies."""

import socket
import time
from typing import Any

import pytest
import uvloop
from support.gateway import Pair, Start
from support.upstream import RawUpstream
from support.waiting import eventually

from gateway.proxy import forwarded, trusted_proxies
from gateway.proxy.forwarded import Hop


def test_forwarded_fields_of_a_stranger_are_replaced(pair: Pair) -> None:
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
    assert raw.all(b"x-forwarded-for") == [b"127.0.0.1"]
    assert raw.all(b"x-forwarded-proto") == [b"http"]
    assert raw.all(b"x-forwarded-host") == [b"inkwell"]
    assert raw.all(b"forwarded") == [b"for=127.0.0.1;host=inkwell;proto=http"]


def test_forwarded_fields_of_a_trusted_proxy_are_appended_to(
    gateway: Start, upstream: RawUpstream
) -> None:
    """RFC 7239, section 4."""
    running = gateway(upstream.url, trusted_proxies="127.0.0.0/8, ::1")
    running.send(
        b"GET /posts HTTP/1.1\r\nHost: a:80\r\nX-Forwarded-For: 6.6.6.6\r\n"
        b"X-Forwarded-For: 7.7.7.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n"
        b"Forwarded: for=7.7.7.7\r\nConnection: close\r\n\r\n"
    )
    assert upstream.all(b"x-forwarded-for") == [b"7.7.7.7, 127.0.0.1"]
    assert upstream.all(b"x-forwarded-proto") == [b"https"]
    assert upstream.all(b"x-forwarded-host") == [b"b"]
    assert upstream.all(b"forwarded") == [b'for=7.7.7.7, for=127.0.0.1;host="a:80";proto=http']
    running.get("/posts")
    assert upstream.all(b"x-forwarded-proto") == [b"http"]


def test_a_real_ip_is_believed_of_a_trusted_proxy_only(
    gateway: Start, upstream: RawUpstream
) -> None:
    field = b"X-Real-IP: 6.6.6.6"
    gateway(upstream.url).get("/posts", field)
    assert upstream.all(b"x-real-ip") == []
    gateway(upstream.url, trusted_proxies="127.0.0.1").get(
        "/posts", field, b"Connection: x-real-ip"
    )
    assert upstream.all(b"x-real-ip") == [b"6.6.6.6"]


@pytest.mark.parametrize("field", [b"X-Forwarded-For: 6.6.6.6", b"Forwarded: for=6.6.6.6"])
def test_a_proxy_that_is_not_trusted_is_logged_once(
    gateway: Start, upstream: RawUpstream, caplog: pytest.LogCaptureFixture, field: bytes
) -> None:
    running = gateway(upstream.url, trusted_proxies="192.0.2.1")
    for _ in range(3):
        running.get("/posts", field)
    (line,) = [it.getMessage() for it in caplog.records if "TRUSTED" in it.getMessage()]
    assert line.startswith("127.0.0.1 ")
    assert "GATEWAY_TRUSTED_PROXIES" in line


def test_the_fields_of_a_trusted_proxy_are_not_logged(
    gateway: Start, upstream: RawUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    running = gateway(upstream.url, trusted_proxies="127.0.0.1")
    running.get("/posts", b"X-Forwarded-For: 6.6.6.6", b"Forwarded: for=6.6.6.6")
    assert not [it for it in caplog.records if it.name == "gateway.proxy.trusted_proxies"]
    for _ in range(3):
        running.get("/posts", b"X-Forwarded-For: 6.6.6.6", b"Forwarded: for=7.7.7.7")
    (line,) = [it for it in caplog.records if it.name == "gateway.proxy.trusted_proxies"]
    assert "different clients" in line.getMessage()


def test_a_host_may_be_trusted_by_its_name_and_moves(
    gateway: Start,
    upstream: RawUpstream,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trusted_proxies, "RESOLVE_INTERVAL", 0.01)
    known: list[str] = []
    real = uvloop.Loop.getaddrinfo

    async def answer(loop: Any, host: str, port: Any, **named: Any) -> Any:
        if host != "proxy.example":
            return await real(loop, host, port, **named)
        if not known:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in known]

    monkeypatch.setattr(uvloop.Loop, "getaddrinfo", answer)
    running = gateway(upstream.url, trusted_proxies="proxy.example, 192.0.2.1")

    def client() -> bytes:
        running.get("/posts", b"X-Forwarded-For: 6.6.6.6")
        return upstream.all(b"x-forwarded-for")[0]

    assert client() == b"127.0.0.1"
    assert len([it for it in caplog.records if "proxy.example" in it.getMessage()]) == 1
    known.append("127.0.0.1")
    eventually(lambda: client() == b"6.6.6.6, 127.0.0.1")
    known[:] = []
    assert client() == b"6.6.6.6, 127.0.0.1"  # the last addresses are the best guess
    known[:] = ["192.0.2.7"]
    eventually(lambda: client() == b"127.0.0.1")


def test_a_name_that_the_system_knows_is_trusted_from_the_start(
    gateway: Start, upstream: RawUpstream
) -> None:
    gateway(upstream.url, trusted_proxies="localhost").get("/posts", b"X-Forwarded-For: 6.6.6.6")
    assert upstream.all(b"x-forwarded-for") == [b"6.6.6.6, 127.0.0.1"]


def test_a_field_of_blanks_takes_no_long_time() -> None:
    began = time.monotonic()
    for _ in range(200):  # each would take 0.2 s if blanks could match in two ways
        assert forwarded._hops(b"for=a;" + b" " * 4_080 + b"@") == [Hop(forwarded.UNKNOWN)]
    assert time.monotonic() - began < 20
