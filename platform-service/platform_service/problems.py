"""Errors as clients see them: RFC 9457 problem details, and never a value that was sent."""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from starlette.exceptions import HTTPException

from platform_service.errors import (
    DomainError,
    EmailTakenError,
    ForbiddenError,
    NotFoundError,
    UnauthorizedError,
)
from platform_service.logs import request_id
from platform_service.requests import NOT_JSON, RefusedForm

logger = logging.getLogger(__name__)

RETRY_SOON = {"Retry-After": "1"}
LONGEST_FIELD_NAME = 100
STATUS_OF: dict[type[DomainError], int] = {
    UnauthorizedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    EmailTakenError: 409,
}

_MEMBERS = ["type", "title", "status", "detail", "instance", "request_id"]
_SCHEMA = {"title": "Problem (RFC 9457)", "type": "object", "required": _MEMBERS}
_PROBLEM = {
    "description": "A problem",
    "content": {"application/problem+json": {"schema": _SCHEMA}},
}
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {"4XX": _PROBLEM, "5XX": _PROBLEM}


def problem(
    request: Request,
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """Build the answer of an error: `application/problem+json` (RFC 9457, section 3)."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.scope["raw_path"].decode("ascii", "backslashreplace"),
        "request_id": request_id.get(),
        **more,
    }
    content = json.dumps(body, separators=(",", ":"))
    return Response(content, status, headers, "application/problem+json")


def add_problem_handlers(app: FastAPI) -> None:
    """Translate every exception in one place."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(DomainError, _domain_error)
    app.add_exception_handler(IntegrityError, _conflict)
    app.add_exception_handler(DBAPIError, _database_unavailable)
    app.add_exception_handler(TimeoutError, _database_unavailable)


def internal_error(request: Request) -> Response:
    """Answer an exception that nothing translates; its text stays in the log."""
    return problem(request, 500, "The service failed to answer this request.")


async def _domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)  # noqa: S101 - what this handler is registered for
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, UnauthorizedError) else None
    return problem(request, STATUS_OF[type(error)], str(error), headers)


async def _conflict(request: Request, _error: Exception) -> Response:
    return problem(request, 409, "Something that this request relies on was removed meanwhile.")


async def _database_unavailable(request: Request, error: Exception) -> Response:
    reason = str(error).partition("\n")[0] or "it takes too long"
    is_expected = isinstance(error, OperationalError | TimeoutError)
    logger.error("database unavailable: %s", reason, exc_info=None if is_expected else error)
    return problem(request, 503, "The database does not answer at the moment.", RETRY_SOON)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return problem(request, 405, "This path has no such method.", {"Allow": _allow(request)})
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem(request, 404, "Nothing is at this path.")
    return problem(request, error.status_code, str(error.detail), error.headers)


async def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    if isinstance(error.body, RefusedForm):
        return problem(request, error.body.status, error.body.detail)
    if error.body is NOT_JSON:
        return problem(request, 400, "The body is not JSON in UTF-8.")
    if isinstance(error.body, bytes):
        return problem(request, 415, "The body must be sent as application/json.")
    errors = [
        {"loc": [_short(part) for part in one["loc"]], "msg": one["msg"], "type": one["type"]}
        for one in error.errors()
    ]
    return problem(request, 422, "The request has invalid fields; see errors.", errors=errors)


def _short(part: str | int) -> str | int:
    return part[:LONGEST_FIELD_NAME] if isinstance(part, str) else part


def _allow(request: Request) -> str:
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.path_regex.match(request.scope["path"]):
            methods |= route.methods or set()
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods))
