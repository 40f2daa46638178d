"""Large bodies move in turns."""

import asyncio

from support.gateway import Start
from support.upstream import RawUpstream

from gateway.proxy.turns import Turns


class Noting(Turns):
    """Turns that note who waited for them."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[str] = []

    async def wait(self, client: str) -> None:
        self.clients.append(client)
        await super().wait(client)


def test_a_large_body_waits_for_each_of_its_turns_and_a_small_request_for_none(
    gateway: Start, upstream: RawUpstream
) -> None:
    running = gateway(upstream.url)
    running.app.proxy.turns = turns = Noting()
    assert running.get("/posts").status == 200
    assert running.get("/posts", method="POST", body=b"x" * 1_000).status == 200
    assert turns.clients == []
    assert running.get("/posts", method="POST", body=b"x" * 1_000_000).status == 200
    assert len(turns.clients) >= 2, "one before it has an upstream, one before its next part"
    assert set(turns.clients) == {"127.0.0.1"}


def test_each_round_of_the_event_loop_has_one_turn() -> None:
    assert asyncio.run(rounds("a", "a", "a", "b", "c")) == ["a", "b", "c", "a", "a"]


async def rounds(*clients: str) -> list[str]:
    """Return whose turn each round of the event loop was. Fail if a round had two."""
    turns, had = Turns(), list[str]()

    async def take(client: str) -> None:
        await turns.wait(client)
        had.append(client)

    tasks = [asyncio.create_task(take(client)) for client in clients]
    while len(had) < len(clients):
        before = len(had)
        await asyncio.sleep(0)
        assert len(had) <= before + 1
    await asyncio.gather(*tasks)
    return had
