"""Threads: results and errors reach whoever waits, and what nobody waits for is left out."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from threading import Event, current_thread

import pytest

from chassis.threads import Threads
from chassis_testing.waiting import SECONDS, until


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads(1, "thread")
    yield threads
    threads.close()


FORGETFUL = """
import asyncio
from chassis.threads import Threads

async def main():
    print(await Threads(1, "forgotten").run(lambda: "done"))

asyncio.run(main())
"""


def fail() -> None:
    raise SystemExit("an error of any kind")


def test_results_and_errors_reach_whoever_waits(threads: Threads) -> None:
    async def wait() -> str:
        with pytest.raises(SystemExit, match="an error of any kind"):
            await threads.run(fail)
        return await threads.run(lambda: current_thread().name)

    assert asyncio.run(wait()) == "thread_0"


def test_what_nobody_waits_for_is_not_begun(threads: Threads) -> None:
    begun: list[str] = []
    may_end = Event()

    async def wait() -> None:
        first = threads.run(may_end.wait)
        second = threads.run(lambda: begun.append("second"))
        third = threads.run(lambda: begun.append("third"))
        second.cancel()
        may_end.set()
        await asyncio.gather(first, third)

    asyncio.run(wait())
    assert begun == ["third"]


@pytest.mark.parametrize("error", [None, ValueError])
def test_a_result_that_comes_too_late_is_dropped(
    threads: Threads, error: type[Exception] | None
) -> None:
    faults: list[object] = []
    began, may_end = Event(), Event()

    def work() -> None:
        began.set()
        may_end.wait()
        if error:
            raise error

    async def leave() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        running = threads.run(work)
        began.wait()
        running.cancel()
        may_end.set()
        await threads.run(int)

    asyncio.run(leave())
    assert faults == []


def test_work_goes_on_when_whoever_waited_has_left(threads: Threads) -> None:
    may_end, ended = Event(), Event()

    def work() -> None:
        may_end.wait()
        ended.set()

    async def leave() -> None:
        threads.run(work)

    asyncio.run(leave())  # closes the loop
    may_end.set()
    until(ended.is_set, "the end of the work")
    assert asyncio.run(_result_of(threads)) == 0


async def _result_of(threads: Threads) -> int:
    return await threads.run(int)


def test_a_process_ends_that_forgets_to_close_its_threads() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FORGETFUL],
        check=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ended.stdout == "done\n"


def test_closed_threads_begin_nothing(threads: Threads) -> None:
    begun: list[str] = []
    may_end = Event()

    async def wait() -> None:
        first = threads.run(may_end.wait)
        threads.run(lambda: begun.append("second"))
        threads.close()
        may_end.set()
        await first
        with pytest.raises(RuntimeError, match="closed"):
            threads.run(int)

    asyncio.run(wait())
    until(lambda: not threads._threads[0].is_alive(), "the end of the thread")
    assert begun == []


def test_closed_threads_end(threads: Threads) -> None:
    asyncio.run(_result_of(threads))
    threads.close()
    until(lambda: not threads._threads[0].is_alive(), "the end of the thread")
