"""Results that several requests share, without a socket."""

import asyncio

import pytest

from gateway.fetch import Shared


class Work:
    """Counts its calls, and returns the number when it may go on."""

    def __init__(self) -> None:
        self.calls = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.calls += 1
        await self.may_end.wait()
        return self.calls


def test_requests_at_once_share_one_result() -> None:
    async def story() -> None:
        work = Work()
        shared = Shared(work, max_age=0)
        waiting = [asyncio.create_task(shared()) for _ in range(5)]
        await asyncio.sleep(0)
        work.may_end.set()
        assert await asyncio.gather(*waiting) == [1] * 5

    asyncio.run(story())


@pytest.mark.parametrize(("max_age", "second"), [(600.0, 1), (0.0, 2)])
def test_a_result_is_kept_until_it_is_too_old(max_age: float, second: int) -> None:
    async def story() -> None:
        work = Work()
        work.may_end.set()
        shared = Shared(work, max_age)
        assert [await shared(), await shared()] == [1, second]

    asyncio.run(story())


def test_a_request_that_is_cancelled_does_not_cancel_the_work() -> None:
    async def story() -> None:
        work = Work()
        shared = Shared(work, max_age=0)
        leaving, staying = asyncio.create_task(shared()), asyncio.create_task(shared())
        await asyncio.sleep(0)
        leaving.cancel()
        work.may_end.set()
        assert await staying == 1
        assert leaving.cancelled()

    asyncio.run(story())


def test_work_that_fails_is_tried_again_by_the_next_request() -> None:
    calls = 0

    async def fail_once() -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError
        return calls

    async def story() -> None:
        shared = Shared(fail_once, max_age=600)
        with pytest.raises(RuntimeError):
            await shared()
        assert await shared() == 2

    asyncio.run(story())
