"""The queue in which clients take turns, without a socket."""

import asyncio

from gateway.fair_queue import FairQueue


def test_clients_take_turns() -> None:
    """Client a asks three times before b and c ask once."""

    async def story() -> None:
        queue = FairQueue()
        turns = [queue.join(client) for client in "aaabc"]
        assert [queue.call() for _ in turns] == ["a", "b", "c", "a", "a"]
        assert all(turn.done() for turn in turns)
        assert queue.call() is None
        assert not queue

    asyncio.run(story())


def test_a_client_that_may_not_go_on_keeps_its_place() -> None:
    async def story() -> None:
        queue = FairQueue()
        first, second = queue.join("a"), queue.join("b")
        assert queue.call(lambda client: client == "b") == "b"
        assert queue.call(lambda client: client == "b") is None
        assert second.done()
        assert not first.done()
        assert queue.call() == "a"

    asyncio.run(story())


def test_a_request_that_has_ended_takes_no_turn() -> None:
    async def story() -> None:
        queue = FairQueue()
        queue.join("a").cancel()
        queue.join("b")
        assert queue.call() == "b"

    asyncio.run(story())


def test_a_request_that_leaves_is_not_called() -> None:
    async def story() -> None:
        queue = FairQueue()
        first, _second = queue.join("a"), queue.join("a")
        queue.leave("a", first)
        assert queue.call() == "a"
        assert not first.done()
        assert not queue
        queue.leave("a", first)  # a second time does nothing

    asyncio.run(story())
