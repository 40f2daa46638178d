"""uvicorn's server with this gateway's connections and its way to stop."""

import asyncio
from typing import Any, cast

import uvicorn

from gateway.protocol import Protocol
from gateway.proxy import Proxy

GRACE = 10  # seconds for what is in flight when the server stops
TICKS = 5  # tenths of a second between two looks at the deadlines


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
        """Look at the deadlines now and then."""
        if counter % TICKS == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                cast("Protocol", connection).check(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        """Answer everything with Connection: close for a while, then stop."""
        self._app.health.draining = True
        for tick in range(round(self._app.settings.drain_seconds * 10)):
            if not self.force_exit:
                await self.on_tick(tick)
                await asyncio.sleep(0.1)
        await super().shutdown(sockets)
