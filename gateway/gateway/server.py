"""uvicorn's server with this gateway's connections and its way to stop."""

import asyncio
from itertools import count
from typing import Any, cast

import uvicorn

from gateway.protocol import Protocol
from gateway.proxy import Proxy

GRACE = 10  # seconds for what is in flight when the server stops
TICK = 0.1  # seconds, uvicorn's own


class Server(uvicorn.Server):
    """Stops in steps: readiness first, then connections, then what listens."""

    def __init__(self, app: Proxy) -> None:
        config = uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE,
        )
        super().__init__(config)
        self._app = app

    async def on_tick(self, counter: int) -> bool:
        """Look at the deadlines."""
        now = asyncio.get_running_loop().time()
        for connection in list(self.server_state.connections):
            cast("Protocol", connection).check(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        """Answer everything with Connection: close for a while, then stop."""
        self._app.health.draining = True
        ticking = asyncio.create_task(self._keep_ticking())
        for _ in range(round(self._app.settings.drain_seconds / TICK)):
            if not self.force_exit:
                await asyncio.sleep(TICK)
        await super().shutdown(sockets)
        ticking.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    async def _keep_ticking(self) -> None:
        for tick in count():
            await self.on_tick(tick)
            await asyncio.sleep(TICK)
