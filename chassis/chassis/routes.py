"""Routes: strict bodies, and one transaction for each request."""

from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session

from chassis.database import in_transaction
from chassis.requests import StrictRequest


class Route(APIRoute):
    """A route whose body is read strictly. One that is written with `def` is one transaction.

    Such a route has a session, `db`. It runs in a thread of the database, and its transaction is
    over before the answer leaves: committed when it returns, rolled back when it raises. A route
    written with `async def` runs in the event loop and must not block.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if not iscoroutinefunction(endpoint):
            endpoint = _one_transaction(endpoint)
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, given a StrictRequest."""
        handler = super().get_route_handler()

        async def strict_handler(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict_handler


def _one_transaction(endpoint: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    def work(db: Session, /, **inputs: Any) -> Any:
        return endpoint(db=db, **inputs)

    @wraps(endpoint)  # FastAPI reads the endpoint's own parameters
    async def run(db: Session, **inputs: Any) -> Any:
        return await in_transaction(db, work, **inputs)

    return run
