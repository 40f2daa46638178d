"""Clients that do not wait for their answers."""

import asyncio
import threading
from collections import Counter
from contextlib import suppress
from typing import Self

import httpx
import pytest
from support.api import User
from support.wire import Wire


class Pulse(threading.Thread):
    """A thread that asks for /livez again and again, and counts the statuses; None is no answer."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire, self.ended = wire, threading.Event()
        self.answers: Counter[int | None] = Counter()

    def run(self) -> None:
        while not self.ended.wait(0.02):
            answer = None
            with suppress(OSError):
                answer = self.wire.ask("GET", "/livez")
            self.answers[answer.status_code if answer else None] += 1

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()


async def all_hang_up(wire: Wire, request: bytes) -> None:
    """Send the request from 600 clients, 100 at a time, that wait for 30 ms at most."""
    at_once = asyncio.Semaphore(100)

    async def hang_up(number: int) -> None:
        async with at_once:
            base, tls = wire.base, wire.base.scheme == "https" or None
            reader, writer = await asyncio.open_connection(base.hostname, base.port, ssl=tls)
            writer.write(request)
            with suppress(TimeoutError, ConnectionResetError):
                await asyncio.wait_for(reader.read(1), number % 31 / 1000)
            writer.transport.abort()

    await asyncio.gather(*map(hang_up, range(600)))


@pytest.mark.parametrize("path", ["/posts/", "/articles/"])
def test_six_hundred_clients_that_hang_up_do_no_harm(
    api: httpx.Client, wire: Wire, author: User, path: str
) -> None:
    body = b'{"title": "hung up", "content": "x"}'
    if path == "/posts/":
        body = b'{"title": "hung up", "body": "x"}'
    sized = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    request = wire.head("POST", path, [*author.auth.items(), *sized]) + body

    with Pulse(wire) as pulse:
        asyncio.run(all_hang_up(wire, request))
        # The services first finish the requests of the clients that left.
        assert api.get(f"{path}?limit=1").status_code == 200
    assert pulse.answers.keys() == {200}
