"""The server: uvicorn, with an end that loses nothing."""

import asyncio
import socket
import time

import uvicorn
from fastapi import FastAPI

from platform_service.config import Settings

KEEP_ALIVE_SECONDS = 30  # longer than the gateway keeps an idle connection, so that it closes first
FINISH_SECONDS = 10


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
        deadline = time.monotonic() + self._drain_seconds
        # A signal handler sets force_exit: there is nothing to await but time.
        while time.monotonic() < deadline and not self.force_exit:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        await super().shutdown(sockets)
