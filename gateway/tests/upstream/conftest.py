"""Several addresses behind one name; the loopback network has enough of them."""

import socket
from contextlib import ExitStack, closing
from typing import Any

import pytest
import uvloop
from support.upstream import RawUpstream

from chassis_testing.ports import free_port


@pytest.fixture
def replicas(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Three raw upstreams at one port of 127.0.0.2 to .4; `listed` is what the name resolves to."""
    with ExitStack() as stack:
        port = free_port()
        hosts = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
        raws = [stack.enter_context(closing(RawUpstream(host, port))) for host in hosts]
        listed = list(hosts)

        real = uvloop.Loop.getaddrinfo

        async def getaddrinfo(loop: Any, host: str, port: int, **named: Any) -> Any:
            if host != "several":
                return await real(loop, host, port, **named)
            if not listed:
                raise socket.gaierror
            return [(2, 1, 6, "", (address, port)) for address in listed]

        monkeypatch.setattr(uvloop.Loop, "getaddrinfo", getaddrinfo)
        yield f"http://several:{port}", raws, listed
