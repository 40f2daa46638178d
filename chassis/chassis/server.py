"""The server: uvicorn, with an end that loses no request."""

import asyncio
import errno
import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from types import FrameType
from typing import cast

import uvicorn
from fastapi import FastAPI

from chassis.logs import configure_logging
from chassis.protocol import Connection
from chassis.settings import PartSettings

logger = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 30  # the gateway's keep_alive is shorter, so that the gateway closes first
FINISH_SECONDS = 10  # for the requests that are still in flight after draining
TICK = 0.01


class Server(uvicorn.Server):
    """Drains before it stops.

    For `drain_seconds` readiness is 503 and every answer says `Connection: close`, so that clients
    go elsewhere. Then no new connection is accepted, and the requests in flight end.
    """

    def __init__(self, app: FastAPI, config: uvicorn.Config, drain_seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain_seconds = drain_seconds
        self._ignores_interrupts = signal.getsignal(signal.SIGINT) is signal.SIG_IGN

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal as the request to stop, but not a SIGINT that is ignored on purpose."""
        if sig != signal.SIGINT or not self._ignores_interrupts:
            super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then listen at the sockets."""
        await super().startup(sockets)
        for listener in sockets or []:
            logger.info("listening at %s", address_of(listener))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop. A second Ctrl-C skips the draining."""
        self._app.state.draining = True
        await self._wait(self._drain_seconds, lambda: False)
        await self._stop_listening()
        # The connections accepted last have not sent a request yet. Its answer closes each.
        await self._wait(self._drain_seconds / 2, lambda: not self.server_state.connections)
        await super().shutdown(sockets)

    async def _stop_listening(self) -> None:
        """Accept every connection in the backlog, then close the listening sockets.

        Closing them first would reset the connections in the backlog.
        """
        duplicates: list[socket.socket] = []
        with suppress(OSError):  # no descriptors are left: the backlog is lost
            duplicates += [it.dup() for server in self.servers for it in server.sockets]
        for server in self.servers:
            server.close()
        accepted: list[socket.socket] = []
        for duplicate in duplicates:
            with duplicate, suppress(OSError):  # the backlog is empty
                while True:
                    accepted.append(duplicate.accept()[0])
        protocol_class = cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class)
        protocol = partial(protocol_class, self.config, self.server_state, self.lifespan.state)
        for connection in accepted:
            await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)

    async def _wait(self, seconds: float, is_over: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        # A signal handler sets force_exit, so that only time can be awaited.
        while not (is_over() or self.force_exit or time.monotonic() > deadline):  # noqa: ASYNC110
            await asyncio.sleep(TICK)


def serve(app: FastAPI, settings: PartSettings) -> None:
    """Run a service until a signal ends it. One that arrives during the start ends it, too."""
    configure_logging(settings.part, settings.log_level)
    spare_the_collector()
    server = Server(app, service_config(app), settings.drain_seconds)
    with server.capture_signals():
        try:
            server.run(bind(settings.host, settings.port))
        except OSError as error:
            sys.exit(f"{settings.part}: cannot listen at port {settings.port}: {error.strerror}.")
        finally:
            app.state.access_log.flush()  # a second Ctrl-C ends requests that log after all else


def bind(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Return a socket bound to each address. None of them listens yet.

    An address of a family that this machine does not have is left out, unless no other is there.
    """
    bound: list[socket.socket] = []
    with ExitStack() as opened:
        for host in hosts:
            try:
                new = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            except OSError as error:
                if error.errno != errno.EAFNOSUPPORT or (host == hosts[-1] and not bound):
                    raise
                continue
            opened.enter_context(new)
            new.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if new.family == socket.AF_INET6:  # clients by IPv4 have a socket of their own
                new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            new.bind((host, port))
            port = new.getsockname()[1]  # the same one for all, also where the system chooses it
            bound.append(new)
        opened.pop_all()
    return bound


def address_of(listener: socket.socket) -> str:
    """Return where a socket listens. It is no URL, since nobody should open a service's."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def service_config(app: FastAPI) -> uvicorn.Config:
    """Return uvicorn's configuration of a service."""
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )


def spare_the_collector() -> None:
    """Exclude the objects of the start from garbage collection, and collect less often.

    The former live as long as the process. Under load many requests keep objects alive for a
    moment, which are no garbage yet.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
