"""A server of keys, and no pause between two questions to it."""

from collections.abc import Iterator

import pytest
from support.keys import KeyServer
from support.services import served

from gateway.proxy import tokens


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    server = KeyServer()
    with served(server.app) as server.served:
        yield server


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "REFRESH_INTERVAL", 0.0)
