"""The server: uvicorn, with an end that loses nothing."""

import asyncio
import ctypes
import os
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import chain

import uvicorn
from fastapi import FastAPI

from blog_service.config import Settings

KEEP_ALIVE_SECONDS = 30  # longer than the gateway keeps an idle connection, so that it closes first
FINISH_SECONDS = 10
TICK = 0.01
ACCEPT_SECONDS = 0.1  # for who waits in the backlog, and who is about to

# A program of linux/filter.h that drops the segments which begin a connection.
INSTRUCTIONS = (
    (0x30, 0, 0, 13),  # load the byte with the flags
    (0x45, 0, 1, 0x02),  # unless SYN is among them, skip the next line
    (0x06, 0, 0, 0),  # drop all of it
    (0x06, 0, 0, 0xFFFFFFFF),  # take all of it
)
NO_SYN = b"".join(struct.pack("HBBI", *instruction) for instruction in INSTRUCTIONS)
SO_ATTACH_FILTER = 26  # asm-generic/socket.h


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
        for listener in chain(*(server.sockets for server in self.servers)):
            _let_nobody_in(listener.fileno())
        await self._wait(min(self._drain_seconds, ACCEPT_SECONDS), lambda: False)
        for server in self.servers:
            server.close()
        # Whoever was accepted last has not sent a request yet; its answer closes the connection.
        await self._wait(self._drain_seconds / 2, lambda: not self.server_state.connections)
        await super().shutdown(sockets)

    async def _wait(self, seconds: float, is_over: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        # A signal handler sets force_exit: there is nothing to await but time.
        while not (is_over() or self.force_exit or time.monotonic() > deadline):  # noqa: ASYNC110
            await asyncio.sleep(TICK)


def _let_nobody_in(descriptor: int) -> None:
    """Have the kernel overlook who connects from now on: to close would reset who waits.

    Whoever is overlooked tries again after a second, when nobody listens. Only Linux can do this.
    """
    program = ctypes.create_string_buffer(NO_SYN)
    option = struct.pack("HP", len(INSTRUCTIONS), ctypes.addressof(program))
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, option)
