"""Routes: strict bodies, and one transaction for each request."""

from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import iscoroutinefunction, signature
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session

from chassis.database import in_transaction
from chassis.requests import StrictRequest


class Route(APIRoute):
    """A route whose body is read strictly. A `def` with a session, `db`, is one transaction.

    It runs in a thread of the database, and its transaction is over before the answer leaves:
    committed when the route returns, rolled back when it raises. A route written with `async def`
    runs in the event loop and must not block.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if not iscoroutinefunction(endpoint) and "db" in signature(endpoint).parameters:
            endpoint = _one_transaction(endpoint)
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, given a StrictRequest."""
        handler = super().get_route_handler()

        async def strict_handler(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict_handler


def _one_transaction(endpoint: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    @wraps(endpoint)  # FastAPI reads the endpoint's own parameters
    async def run(db: Session, **inputs: Any) -> Any:
        return await in_transaction(db, lambda db: endpoint(db=db, **inputs))

    return run
