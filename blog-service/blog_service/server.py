"""The server: uvicorn, with an end that loses nothing."""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from blog_service.config import Settings

KEEP_ALIVE_SECONDS = 30  # longer than the gateway keeps an idle connection, so that it closes first
FINISH_SECONDS = 10
TICK = 0.01


class Server(uvicorn.Server):
    """Drains before it stops.

    For `drain_seconds` readiness is 503 and every answer says `Connection: close`, so that whoever
    sends requests here goes elsewhere; then nothing new is accepted and what is in flight ends.
    """

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self._app = app
        self._drain_seconds = settings.drain_seconds
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                http=HttpToolsProtocol,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=FINISH_SECONDS,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop; a second Ctrl-C skips the draining."""
        self._app.state.draining = True
        await self._wait(self._drain_seconds, lambda: False)
        await self._stop_listening()
        # Whoever was accepted last has not sent a request yet; its answer closes the connection.
        await self._wait(self._drain_seconds / 2, lambda: not self.server_state.connections)
        await super().shutdown(sockets)

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
        new = partial(HttpToolsProtocol, self.config, self.server_state, self.lifespan.state)
        for connection in waiting:
            await asyncio.get_running_loop().connect_accepted_socket(new, connection)

    async def _wait(self, seconds: float, is_over: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        # A signal handler sets force_exit: there is nothing to await but time.
        while not (is_over() or self.force_exit or time.monotonic() > deadline):  # noqa: ASYNC110
            await asyncio.sleep(TICK)
