"""The processor that the threads of a service share.

Python runs one thread at a time. Where threads wait on different processors, each hand-over of the
interpreter wakes another processor and moves the data to its caches. That was 15 to 28 % of what a
read cost (docs/adr/0011-threads-share-a-processor.md).
"""

import asyncio
import ctypes
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress

THIS_THREAD = 0  # to sched_setaffinity(2)
STAY = 1.0  # seconds on one processor
LOOK_AROUND = 0.05  # seconds in which the scheduler moves the threads to where there is room

# Where the process might run when it started. Systems other than Linux let nothing be chosen.
_allowed = os.sched_getaffinity(0) if sys.platform == "linux" else set()


@asynccontextmanager
async def shared_processor(thread_ids: Callable[[], Iterable[int]]) -> AsyncIterator[None]:
    """Keep the event loop's thread and those with these native ids on one processor.

    Once a second the scheduler chooses another one if that has more room.
    """
    if len(_allowed) <= 1:
        yield
        return
    moving = asyncio.create_task(_move(thread_ids))
    try:
        yield
    finally:
        moving.cancel()
        _bind(_allowed, THIS_THREAD, *thread_ids())


def use_any_processor() -> None:
    """Unbind the calling thread. A new thread is bound like the one that starts it."""
    if _allowed:
        _bind(_allowed, THIS_THREAD)


async def _move(thread_ids: Callable[[], Iterable[int]]) -> None:
    current_processor = ctypes.PyDLL(None).sched_getcpu
    while True:
        _bind(_allowed, THIS_THREAD, *thread_ids())
        await asyncio.sleep(LOOK_AROUND)
        _bind({current_processor()} & _allowed, THIS_THREAD, *thread_ids())
        await asyncio.sleep(STAY)


def _bind(processors: set[int], *thread_ids: int) -> None:
    for thread_id in thread_ids:
        with suppress(OSError):  # it has ended, or a sandbox forbids it
            os.sched_setaffinity(thread_id, processors)
