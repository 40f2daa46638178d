"""The internals of uvicorn that the gateway's client side leans on.

pyproject.toml admits the one minor version of uvicorn that was tried. When it is raised, these
tests name everything that is missing or has changed.
"""

import asyncio
import inspect
import socket
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from gateway.client.connection import ClientConnection
from gateway.client.cycle import Cycle
from gateway.client.server import Server

# Methods that the gateway overrides or calls, with their parameters.
METHODS: list[tuple[Callable[..., Any], list[str]]] = [
    (HttpToolsProtocol.__init__, ["config", "server_state", "app_state", "_loop"]),
    (HttpToolsProtocol.connection_made, ["transport"]),
    (HttpToolsProtocol.connection_lost, ["exc"]),
    (HttpToolsProtocol.eof_received, []),
    (HttpToolsProtocol.data_received, ["data"]),
    (HttpToolsProtocol.pause_writing, []),
    (HttpToolsProtocol.resume_writing, []),
    (HttpToolsProtocol.on_message_begin, []),
    (HttpToolsProtocol.on_url, ["url"]),
    (HttpToolsProtocol.on_header, ["name", "value"]),
    (HttpToolsProtocol.on_headers_complete, []),
    (HttpToolsProtocol.on_body, ["body"]),
    (HttpToolsProtocol.on_message_complete, []),
    (HttpToolsProtocol._start_asgi_task, ["cycle", "app"]),
    (HttpToolsProtocol.shutdown, []),
    (RequestResponseCycle.run_asgi, ["app"]),
    (RequestResponseCycle.send, ["message"]),
    (RequestResponseCycle.receive, []),
    (FlowControl.__init__, ["transport"]),
    (FlowControl.drain, []),
    (FlowControl.pause_reading, []),
    (FlowControl.resume_reading, []),
    (uvicorn.Server.__init__, ["config"]),
    (uvicorn.Server.run, ["sockets"]),
    (uvicorn.Server.capture_signals, []),
    (uvicorn.Server.handle_exit, ["sig", "frame"]),
    (uvicorn.Server.startup, ["sockets"]),
    (uvicorn.Server.main_loop, []),
    (uvicorn.Server.on_tick, ["counter"]),
    (uvicorn.Server.shutdown, ["sockets"]),
]
CYCLE_PARAMETERS = [
    "scope",
    "transport",
    "flow",
    "logger",
    "access_logger",
    "access_log",
    "default_headers",
    "message_event",
    "expect_100_continue",
    "keep_alive",
    "on_response",
]
ATTRIBUTES = {
    "a connection": (
        "app client connections cycle expect_100_continue flow headers logger access_logger loop "
        "parser pipeline scope server_state transport url"
    ),
    "a cycle": (
        "body default_headers disconnected flow keep_alive message_event more_body on_response "
        "response_complete response_started scope transport waiting_for_100_continue"
    ),
    "flow control": "read_paused write_paused",
    "a server": "config force_exit lifespan servers should_exit server_state started",
    "a server's lifespan": "state",
    "a server's configuration": "backlog http_protocol_class",
    "a server's state": "connections default_headers tasks total_requests",
}


@pytest.fixture
def objects() -> dict[str, Any]:
    """One object of each kind, made by uvicorn's own constructors."""

    async def app(scope: object, receive: object, send: object) -> None: ...

    async def make() -> dict[str, Any]:
        config = uvicorn.Config(app, log_config=None, lifespan="off")
        config.load()
        server = uvicorn.Server(config)
        server.should_exit = True
        with socket.create_server(("127.0.0.1", 0)) as listener:
            await server.serve([listener])
        connection = HttpToolsProtocol(config, server.server_state, {})
        connection.on_message_begin()
        parameters = dict.fromkeys(CYCLE_PARAMETERS)
        cycle = RequestResponseCycle(**parameters)  # type: ignore[arg-type]
        return {
            "a connection": connection,
            "a cycle": cycle,
            "flow control": FlowControl(None),  # type: ignore[arg-type]
            "a server": server,
            "a server's configuration": config,
            "a server's lifespan": server.lifespan,
            "a server's state": server.server_state,
        }

    return asyncio.run(make())


@pytest.mark.parametrize(
    ("method", "parameters"), METHODS, ids=[method.__qualname__ for method, _ in METHODS]
)
def test_a_method_has_the_parameters_that_it_had(
    method: Callable[..., Any], parameters: list[str]
) -> None:
    assert list(inspect.signature(method).parameters)[1:] == parameters


def test_a_cycle_takes_the_parameters_that_it_took() -> None:
    parameters = list(inspect.signature(RequestResponseCycle.__init__).parameters)
    assert parameters[1:] == CYCLE_PARAMETERS


@pytest.mark.parametrize("kind", ATTRIBUTES)
def test_an_object_has_the_attributes_that_it_had(objects: dict[str, Any], kind: str) -> None:
    missing = [name for name in ATTRIBUTES[kind].split() if not hasattr(objects[kind], name)]
    assert missing == []


def test_a_scope_has_the_keys_that_it_had(objects: dict[str, Any]) -> None:
    keys = {"type", "asgi", "http_version", "server", "client", "scheme", "root_path", "headers"}
    assert objects["a connection"].scope.keys() - {"state"} == keys


def test_a_status_line_is_whole() -> None:
    assert STATUS_LINE[404] == b"HTTP/1.1 404 Not Found\r\n"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (ClientConnection, HttpToolsProtocol),
        (Cycle, RequestResponseCycle),
        (Server, uvicorn.Server),
    ],
)
def test_no_method_of_ours_hides_a_new_one_of_uvicorn(ours: type, theirs: type) -> None:
    """Every name that both have is named above, so that it was overridden on purpose."""
    named = {method.__qualname__ for method, _ in METHODS} | {"RequestResponseCycle.__init__"}
    both = {name for name in vars(ours) if name in vars(theirs) and not name.startswith("__")}
    assert {f"{theirs.__qualname__}.{name}" for name in both} <= named


def test_the_installed_version_is_the_one_that_was_tried() -> None:
    assert version("uvicorn").startswith("0.54.")
