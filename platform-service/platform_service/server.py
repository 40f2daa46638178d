"""The server: uvicorn, with an end that loses nothing."""

import asyncio
import itertools
import select
import socket
import time
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from platform_service.config import Settings

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
                http="httptools",
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
        await self._wait(self._drain_seconds, self._nobody_knocks)
        for server in self.servers:
            server.close()
        # Whoever was accepted last has not sent a request yet; its answer closes the connection.
        await self._wait(self._drain_seconds / 2, lambda: not self.server_state.connections)
        await super().shutdown(sockets)

    def _nobody_knocks(self) -> bool:
        """Tell whether all connections were accepted: to close resets the others."""
        poll = select.poll()
        for listener in itertools.chain(*(server.sockets for server in self.servers)):
            poll.register(listener.fileno(), select.POLLIN)
        return not poll.poll(0)

    async def _wait(self, seconds: float, is_over: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        # A signal handler sets force_exit: there is nothing to await but time.
        while not (is_over() or self.force_exit or time.monotonic() > deadline):  # noqa: ASYNC110
            await asyncio.sleep(TICK)
