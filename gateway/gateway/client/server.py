"""The chassis's server with the limits on clients' connections."""

import asyncio
import logging
import socket
from typing import cast

import uvicorn

import chassis.server
from chassis.server import FINISH_SECONDS, address_of
from gateway.client.admission import Admission
from gateway.client.connection import ClientConnection
from gateway.main import Gateway

logger = logging.getLogger(__name__)

HERE = ("127.0.0.1", "0.0.0.0", "::1", "::")  # noqa: S104 - a browser on this machine asks localhost


class Server(chassis.server.Server):
    """Checks every client's connection ten times a second, until the last one is closed."""

    def __init__(self, app: Gateway) -> None:
        config = uvicorn.Config(
            app,
            http=ClientConnection,
            ws="none",
            lifespan="on",
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=FINISH_SECONDS,
        )
        self._settings = app.proxy.settings
        super().__init__(app, config, self._settings.drain_seconds)
        app.state.admission = Admission(app.proxy.routes.client)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then log the one URL that a person should open."""
        await super().startup(sockets)
        listener = self.servers[0].sockets[0]
        host, port = listener.getsockname()[:2]
        address = f"localhost:{port}" if host in HERE else address_of(listener)
        logger.info("open %s", self._settings.public_url or f"http://{address}")

    async def on_tick(self, counter: int) -> bool:
        """Check the connections, then return whether to stop.

        While the server drains, shutdown() runs main_loop() once more for these checks. That run
        must not end by itself.
        """
        for connection in self._connections():
            connection.check()
        return await super().on_tick(counter) and not self._app.state.draining

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop; the connections are checked until the end."""
        ticking = asyncio.create_task(self.main_loop())
        await super().shutdown(sockets)
        ticking.cancel()
        for task in self.server_state.tasks:
            task.cancel()  # uvicorn leaves them running after a second Ctrl-C
        for connection in self._connections():
            connection.transport.abort()

    def _connections(self) -> list[ClientConnection]:
        return cast("list[ClientConnection]", list(self.server_state.connections))
