"""Transactions in threads, and what a client is told of one that failed or took too long."""

import asyncio
import logging
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from threading import Lock
from time import monotonic
from typing import Any, Concatenate, ParamSpec, TypeVar

from fastapi import FastAPI, Request, Response
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from chassis.errors import DomainError
from chassis.logs import Reminder
from chassis.problems import RETRY_SOON, problem
from chassis.threads import Threads

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

SILENCE = 3  # seconds without any result until a request that waits for the database is answered
PATIENCE = 10  # seconds until it is answered although others had results meanwhile
DISK_FULL = "53100"  # SQLSTATE
SQLITE_FULL = 13


class InDoubtError(Exception):
    """A commit was sent, and nothing came back: the changes may be stored or not."""


class TransactionThreads(Threads):
    """The threads in which transactions run, and the last news from them."""

    def __init__(self, count: int, name: str, *, may_write: bool) -> None:
        super().__init__(count, name)
        self.may_write = may_write
        self.last_result = 0.0
        self.storage_is_full = False
        self._reminder = Reminder()

    def note_result(self) -> None:
        """Note that a transaction has ended as it should."""
        self.last_result = monotonic()
        self.storage_is_full = False

    def note_full_storage(self) -> None:
        """Note that there was no room for what a transaction stores. Log it now and then."""
        self.storage_is_full = True
        if self._reminder.is_due():
            logger.error("storage is full: nothing can be stored until there is room")


async def in_transaction(
    db: Session, work: Callable[Concatenate[Session, P], T], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run `work(db, …)` in a thread, as one transaction, and return its result.

    The session comes from `Database.session`. Where it may write, the transaction is committed when
    the work returns and rolled back when it raises. Where it only reads, it is just closed. Until a
    thread is free the session holds no connection.

    Raises:
        TimeoutError: it took too long, and nothing of it will be stored.
        InDoubtError: it may be stored.
    """
    threads: TransactionThreads = db.info["threads"]
    decision = Lock()  # on the commit: its thread takes it, or the request that waits no longer
    bound = partial(work, db, *args, **kwargs)
    in_this_context = copy_context().run  # so that log lines of the thread have the request's id
    running = threads.run(partial(in_this_context, _transact, db, bound, decision))
    patience = _Patience(running, threads)
    try:
        return await running
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not patience.is_over or (task and task.cancelling()):
            raise  # the client has left, or the server ends
        if decision.acquire(blocking=False):
            raise TimeoutError from None
        raise InDoubtError from None
    finally:
        patience.end()


def _transact(db: Session, work: Callable[[], T], decision: Lock) -> T:
    """Run a transaction in this thread, and note how it ended."""
    threads: TransactionThreads = db.info["threads"]
    try:
        with db:  # closes it
            result = _commit(db, work, decision) if threads.may_write else work()
    except DomainError:
        threads.last_result = monotonic()
        raise
    except DBAPIError as error:
        if _is_full(error):
            threads.note_full_storage()
        if decision.locked() and _is_in_doubt(error):
            raise InDoubtError from error
        raise
    threads.note_result()
    return result


def _commit(db: Session, work: Callable[[], T], decision: Lock) -> T:
    """Return the result of work that is committed, unless its request waits no longer."""
    with db.begin():
        result = work()
        db.flush()
        if not decision.acquire(blocking=False):
            raise TimeoutError
        return result


class _Patience:
    """Cancels the wait for a result once the database has had none for too long.

    asyncio.wait() would cost another turn of the event loop for each request.
    """

    def __init__(self, running: "asyncio.Future[Any]", threads: TransactionThreads) -> None:
        self.is_over = False
        self._running = running
        self._threads = threads
        self._began = monotonic()
        self._timer = running.get_loop().call_later(SILENCE, self._check)

    def _check(self) -> None:
        """Cancel the wait if it is over. Otherwise look again when it could be over."""
        last = max(self._began, self._threads.last_result)
        give_up_at = min(last + SILENCE, self._began + PATIENCE)
        if monotonic() >= give_up_at:
            self.is_over = True
            self._running.cancel()
        else:
            delay = give_up_at - monotonic()
            self._timer = self._running.get_loop().call_later(delay, self._check)

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()


def _is_full(error: DBAPIError) -> bool:
    return (
        getattr(error.orig, "pgcode", None) == DISK_FULL
        or getattr(error.orig, "sqlite_errorcode", None) == SQLITE_FULL
    )


def _is_in_doubt(error: DBAPIError) -> bool:
    """Return whether an error of a commit leaves open what became of it."""
    name: str = getattr(error.orig, "sqlite_errorname", "")
    return error.connection_invalidated or name.startswith("SQLITE_IOERR")


def add_database_handlers(app: FastAPI) -> None:
    """Translate the exceptions of the database."""
    app.add_exception_handler(IntegrityError, _conflict)
    app.add_exception_handler(StaleDataError, _conflict)  # a row that was read without a lock
    app.add_exception_handler(DBAPIError, _unavailable)
    app.add_exception_handler(TimeoutError, _unavailable)
    app.add_exception_handler(PoolTimeoutError, _unavailable)
    app.add_exception_handler(InDoubtError, _in_doubt)


async def _conflict(request: Request, _error: Exception) -> Response:
    detail = "Something that this request relies on was changed or removed meanwhile."
    return problem(request, 409, detail)


async def _unavailable(request: Request, error: Exception) -> Response:
    """Return the answer to an error before the commit. Nothing was stored."""
    if isinstance(error, DBAPIError) and _is_full(error):
        return problem(request, 507, "The storage is full. Nothing was stored.")
    reason = str(error).partition("\n")[0] or "it takes too long"
    is_expected = isinstance(error, OperationalError | TimeoutError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )
    logger.error("database unavailable: %s", reason, exc_info=None if is_expected else error)
    return problem(request, 503, "The database does not answer at the moment.", RETRY_SOON)


async def _in_doubt(request: Request, error: Exception) -> Response:
    """Return the answer to a commit without a result. To repeat it could store it twice."""
    reason = str(error.__cause__ or "it takes too long").partition("\n")[0]
    logger.error("a commit has no result: %s", reason)
    detail = "The database has not said whether this was stored. Look before sending it again."
    return problem(request, 504, detail)
