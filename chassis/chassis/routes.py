"""Routes: strict bodies, and one transaction for each request."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import wraps
from inspect import iscoroutinefunction, signature
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.params import Form
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session

from chassis.openapi import precondition
from chassis.preconditions import ConditionalRequest
from chassis.requests import StrictRequest, refuse_query
from chassis.transactions import in_transaction

T = TypeVar("T")

_before_body: set[Any] = set()
_BODY = {b"content-length", b"transfer-encoding"}  # a request with a body has one of them


def before_body(dependency: Callable[[Request], Awaitable[T]]) -> Callable[[Request], Awaitable[T]]:
    """Return a dependency that a route calls before it reads the body.

    FastAPI would read the body first. The dependency is called once for each request.
    """

    @wraps(dependency)  # FastAPI finds a security scheme through __wrapped__
    async def once(request: Request) -> T:
        results: dict[Any, T] = request.scope.setdefault("before_body", {})
        if once not in results:
            results[once] = await dependency(request)
        return results[once]

    _before_body.add(once)
    return once


class Route(APIRoute):
    """A route whose body is read strictly. A `def` with a session, `db`, is one transaction.

    It runs in a thread of the database, and its transaction is over before the answer leaves:
    committed when the route returns, rolled back when it raises. That of a GET has nothing to
    commit. A route written with `async def` runs in the event loop and must not block. A route that
    takes a ConditionalRequest is answered with an ETag. One that has no query parameters refuses
    any, once its body has been read.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        parameters = signature(endpoint).parameters
        self._request_class: type[StrictRequest] = StrictRequest
        if any(each.annotation is ConditionalRequest for each in parameters.values()):
            self._request_class = ConditionalRequest
            extra = options.get("openapi_extra") or {}
            options["openapi_extra"] = extra | precondition(options["methods"])
        if not iscoroutinefunction(endpoint) and "db" in parameters:
            endpoint = _one_transaction(endpoint)
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, given a StrictRequest."""
        handler = super().get_route_handler()
        first = [*_marked(self.dependant)]
        takes_body = self.body_field is not None
        is_form = self.body_field is not None and isinstance(self.body_field.field_info, Form)
        takes_query = _takes_query(self.dependant)
        request_class = self._request_class

        async def strict_handler(request: Request) -> Response:
            strict_request = request_class(request.scope, request.receive)
            has_body = takes_body or not _BODY.isdisjoint(dict(request.scope["headers"]))
            has_query = bool(request.scope["query_string"]) and not takes_query
            for dependency in first if has_body or has_query else ():
                await dependency(strict_request)
            if has_body and not takes_body:
                await strict_request.skip_body()
            if has_query:
                if takes_body and await strict_request.body():  # 400, 413 and 415 come first
                    await (strict_request.form() if is_form else strict_request.json())
                refuse_query(strict_request)
            answer = await handler(strict_request)
            if isinstance(strict_request, ConditionalRequest):
                return strict_request.finish(answer)
            return answer

        return strict_handler


def _marked(dependant: Dependant) -> Iterator[Callable[[Request], Awaitable[Any]]]:
    """Yield the dependencies that must come before the body, at whatever depth."""
    for each in dependant.dependencies:
        if each.call is not None and each.call in _before_body:
            yield each.call
        yield from _marked(each)


def _takes_query(dependant: Dependant) -> bool:
    return bool(dependant.query_params) or any(map(_takes_query, dependant.dependencies))


def _one_transaction(endpoint: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    @wraps(endpoint)  # FastAPI reads the endpoint's own parameters
    async def run(db: Session, **inputs: Any) -> Any:
        return await in_transaction(db, lambda db: endpoint(db=db, **inputs))

    return run
