"""uvicorn's server with this gateway's connections and its way to stop."""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import cast

import uvicorn

from gateway.protocol import Protocol
from gateway.proxy import Proxy

GRACE = 10  # seconds for what is in flight when the server stops
TICK = 0.01  # seconds between two looks at whether to go on


class Server(uvicorn.Server):
    """Drains before it stops.

    For `drain_seconds` readiness is 503 and every answer says `Connection: close`, so that whoever
    sends requests here goes elsewhere; then nothing new is accepted and what is in flight ends.
    """

    def __init__(self, app: Proxy) -> None:
        config = uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE,
        )
        super().__init__(config)
        self._app = app

    async def on_tick(self, counter: int) -> bool:
        """Look after all connections; tell whether to stop, but not again when that has begun."""
        now = asyncio.get_running_loop().time()
        for connection in list(self.server_state.connections):
            cast("Protocol", connection).check(now)
        for upstream in self._app.upstreams.values():
            upstream.tick(now, counter)
        return await super().on_tick(counter) and not self._app.draining

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop; a second Ctrl-C skips the draining."""
        self._app.draining = True
        drain_seconds = self._app.settings.drain_seconds
        ticking = asyncio.create_task(self.main_loop())
        await self._wait(drain_seconds, lambda: False)
        await self._stop_listening()
        # Whoever was accepted last has not sent a request yet; its answer closes the connection.
        await self._wait(drain_seconds / 2, lambda: not self.server_state.connections)
        await super().shutdown(sockets)
        ticking.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    async def _stop_listening(self) -> None:
        """Close what listens, but serve who waits in its backlog: to close it resets them."""
        duplicates: list[socket.socket] = []
        with suppress(OSError):  # there are no more descriptors: who waits is lost
            duplicates += [it.dup() for server in self.servers for it in server.sockets]
        for server in self.servers:
            server.close()
        waiting: list[socket.socket] = []
        for duplicate in duplicates:
            with duplicate, suppress(OSError):  # nobody waits any more
                while True:
                    waiting.append(duplicate.accept()[0])
        new = partial(Protocol, self.config, self.server_state, self.lifespan.state)
        for connection in waiting:
            await asyncio.get_running_loop().connect_accepted_socket(new, connection)

    async def _wait(self, seconds: float, is_over: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        # A signal handler sets force_exit: there is nothing to await but time.
        while not (is_over() or self.force_exit or time.monotonic() > deadline):  # noqa: ASYNC110
            await asyncio.sleep(TICK)
