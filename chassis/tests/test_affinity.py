"""The processor that the threads share, where the database computes elsewhere."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import get_native_id

import httpx
import pytest
from conftest import SAMPLE
from sqlalchemy import URL

from chassis import affinity
from chassis.affinity import shared_processor, use_any_processor
from chassis.threads import Threads
from chassis_testing.service import rendered
from chassis_testing.waiting import POLL_SECONDS, SECONDS, come_true, until

ALLOWED = os.sched_getaffinity(0)

pytestmark = pytest.mark.skipif(len(ALLOWED) < 2, reason="there is one processor only")


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads(2, "thread")
    yield threads
    threads.close()


def is_shared_by(thread_ids: list[int], count: int) -> bool:
    """Return whether so many threads are bound to the same processor."""
    bound = [os.sched_getaffinity(it) for it in thread_ids]
    return len(bound) == count and all(len(it) == 1 and it == bound[0] for it in bound)


def test_threads_share_the_processor_of_the_loop_until_the_end(threads: Threads) -> None:
    ids: list[int] = []

    async def serve() -> None:
        async with shared_processor(lambda: threads.native_ids):
            await threads.run(int)
            ids.extend([get_native_id(), *threads.native_ids])
            await come_true(lambda: is_shared_by(ids, 3))

    asyncio.run(serve())
    assert [os.sched_getaffinity(it) for it in ids] == [ALLOWED] * 3


def test_threads_follow_the_loop_to_where_the_scheduler_moves_it(
    threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(affinity, "STAY", 0.1)

    async def serve() -> None:
        async with shared_processor(lambda: threads.native_ids), asyncio.timeout(SECONDS):
            await threads.run(int)
            for processor in ALLOWED:
                while os.sched_getaffinity(threads.native_ids[0]) != {processor}:
                    if os.sched_getaffinity(0) == ALLOWED:  # it may be moved now
                        os.sched_setaffinity(0, {processor})
                    await asyncio.sleep(POLL_SECONDS)

    asyncio.run(serve())


def test_a_thread_that_computes_without_the_interpreter_may_leave(threads: Threads) -> None:
    async def serve() -> set[int]:
        async with shared_processor(list):
            await come_true(lambda: len(os.sched_getaffinity(0)) == 1)
            return await threads.run(leave)

    def leave() -> set[int]:
        use_any_processor()
        return os.sched_getaffinity(0)

    assert asyncio.run(serve()) == ALLOWED


def test_a_thread_that_has_ended_does_no_harm(threads: Threads) -> None:
    ended = 2**22 + 1  # beyond the largest id of a thread

    async def serve() -> None:
        async with shared_processor(lambda: [ended, *threads.native_ids]):
            await threads.run(int)
            await come_true(lambda: is_shared_by([get_native_id(), *threads.native_ids], 3))

    asyncio.run(serve())


def test_a_service_shares_one_where_it_does_not_compute_the_answers_itself(
    engine: str, database_url: URL, tmp_path: Path
) -> None:
    settings = {"SAMPLE_DATABASE_URL": rendered(database_url)}
    with SAMPLE.process(tmp_path, **settings) as (running, url):
        for path in ("/readyz", *["/notes/"] * 10):
            assert httpx.get(f"{url}{path}", trust_env=False).status_code == 200

        def bound() -> list[int]:
            tasks = [int(it.name) for it in Path(f"/proc/{running.pid}/task").iterdir()]
            return [it for it in tasks if len(os.sched_getaffinity(it)) == 1]

        if engine == "postgresql":
            until(lambda: is_shared_by(bound(), 3), "the loop beside two readers")
        else:
            for _ in range(10):
                time.sleep(affinity.LOOK_AROUND)
                assert bound() == []


def test_elsewhere_than_on_linux_nothing_is_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affinity, "_allowed", set())
    monkeypatch.delattr(os, "sched_setaffinity")

    async def serve() -> None:
        use_any_processor()
        async with shared_processor(list):
            await asyncio.sleep(affinity.LOOK_AROUND * 2)

    asyncio.run(serve())
