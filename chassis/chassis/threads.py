"""Threads, which do the work that the event loop waits for."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
Job = tuple["asyncio.Future[Any]", Callable[[], Any]]


class Threads:
    """A few threads that take what is to be done from one queue.

    A ThreadPoolExecutor does the same with a second future and two more locks for each job. They
    are a twentieth of what a read costs.
    """

    def __init__(self, count: int, name: str) -> None:
        self._names = [f"{name}_{number}" for number in range(count)]
        self._threads: list[Thread] = []
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._is_closed = False

    @property
    def native_ids(self) -> list[int]:
        """The system's ids of the threads that have started."""
        return [thread.native_id for thread in self._threads if thread.native_id is not None]

    def run(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Return the future of the work's result. Cancelled in time, the work never begins.

        Raises:
            RuntimeError: the threads are closed.
        """
        if self._is_closed:
            raise RuntimeError("These threads are closed.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((future, work))
        if not self._threads:
            self._start()
        return future

    def close(self) -> None:
        """Begin nothing more. A thread ends after what it is doing now."""
        self._is_closed = True
        for _ in self._threads:
            self._jobs.put(None)

    def _start(self) -> None:
        # Daemons, so that a process ends that forgets to close them.
        self._threads = [Thread(target=self._work, name=name, daemon=True) for name in self._names]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) and not self._is_closed:
            _do(*job)
            del job  # else the result would live until the next one


def _do(future: "asyncio.Future[T]", work: Callable[[], T]) -> None:
    """Run the work, unless nobody waits for it."""
    if future.cancelled():
        return
    try:
        finish = partial(_succeed, future, work())
    except BaseException as error:  # noqa: BLE001 - whoever waits gets it
        finish = partial(_fail, future, error)
    with suppress(RuntimeError):  # the loop is closed: nobody waits
        future.get_loop().call_soon_threadsafe(finish)


def _succeed(future: "asyncio.Future[T]", result: T) -> None:
    if not future.cancelled():
        future.set_result(result)


def _fail(future: "asyncio.Future[Any]", error: BaseException) -> None:
    if not future.cancelled():
        future.set_exception(error)
