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
from threading import get_native_id

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
    loop_thread = get_native_id()
    moving = asyncio.create_task(_move(lambda: [loop_thread, *thread_ids()]))
    try:
        yield
    finally:
        moving.cancel()
        _bind([loop_thread, *thread_ids()], _allowed)


def use_any_processor() -> None:
    """Let this thread run anywhere. A new one is bound as the thread that starts it."""
    if _allowed:
        _bind([get_native_id()], _allowed)


async def _move(thread_ids: Callable[[], list[int]]) -> None:
    current_processor = ctypes.PyDLL(None).sched_getcpu
    while True:
        _bind(thread_ids(), _allowed)
        await asyncio.sleep(LOOK_AROUND)
        _bind(thread_ids(), {current_processor()} & _allowed)
        await asyncio.sleep(STAY)


def _bind(thread_ids: Iterable[int], processors: set[int]) -> None:
    for thread_id in thread_ids:
        with suppress(OSError):  # it has ended, or a sandbox forbids it
            os.sched_setaffinity(thread_id, processors)
