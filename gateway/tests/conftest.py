"""Fixtures: gateways in front of raw upstreams."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.gateway import Pair, Start, gateways
from support.process import Process, StartProcess
from support.upstream import RawUpstream
from support.waiting import PATIENCE
from support.wire import OK

from gateway.client import connection


@pytest.fixture(autouse=True)
def _patient_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for clients that still send: on a slow machine they read their answer late."""
    monkeypatch.setattr(connection, "LINGER", PATIENCE)


@pytest.fixture
def upstream() -> Iterator[RawUpstream]:
    with closing(RawUpstream()) as raw:
        yield raw


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Start]:
    """Start gateways: gateway(upstream_url, platform_url=None, limits={...}, **settings)."""
    yield from gateways(tmp_path)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One gateway in front of one raw upstream, with every limit as it is by default."""
    with closing(RawUpstream()) as raw:
        for start in gateways(tmp_path_factory.mktemp("routes")):
            yield start(raw.url), raw


@pytest.fixture
def pair(shared: Pair) -> Pair:
    """The shared gateway and its upstream, as new."""
    _, raw = shared
    raw.reply, raw.script, raw.requests = OK, None, []
    return shared


@pytest.fixture
def start() -> Iterator[StartProcess]:
    """Start gateways as processes, with variables: start(GATEWAY_PORT="0")."""
    started: list[Process] = []

    def begin(*arguments: str, **variables: str) -> Process:
        started.append(Process(*arguments, **variables))
        return started[-1]

    yield begin
    for it in started:
        if it.process.poll() is None:
            it.process.kill()
            it.process.communicate()
