"""Errors as clients see them: problem details (RFC 9457) that never repeat a value sent."""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException

from chassis import logs
from chassis.errors import (
    BadRequestError,
    ChangedError,
    ConflictError,
    DomainError,
    ForbiddenError,
    NotFoundError,
    TooManyRequestsError,
    UnauthorizedError,
)
from chassis.requests import JSON, LONGEST_FIELD_NAME, UnreadableBodyError, wrong_media_type

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SOON = {"Retry-After": "1"}
# Python's own table follows RFC 9110 only from 3.13 on.
TITLES = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
STATUS_OF: dict[type[DomainError], int] = {
    BadRequestError: 400,
    UnauthorizedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    ChangedError: 412,
    TooManyRequestsError: 429,
}


def problem_document(
    status: int, detail: str, raw_path: bytes, request_id: str | None, **more: Any
) -> bytes:
    """Return the body of an error (RFC 9457, section 3)."""
    members = {
        "type": "about:blank",
        "title": TITLES[status],
        "status": status,
        "detail": detail,
        "instance": raw_path.decode("ascii", "backslashreplace"),
        "request_id": request_id,
        **more,
    }
    return json.dumps(members, separators=(",", ":")).encode()


def problem(
    request: Request,
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """Return the answer of an error. A route can add members, in `request.state.problem`."""
    more |= getattr(request.state, "problem", {})
    body = problem_document(
        status, detail, request.scope["raw_path"], logs.request_id.get(), **more
    )
    return Response(body, status, headers, MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Translate the exceptions of HTTP and of the domain."""
    for kind in STATUS_OF:  # a class that has no status is an error of the code
        app.add_exception_handler(kind, _domain_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, invalid_request)


def internal_error(request: Request) -> Response:
    """Return the answer to an exception that has no handler. Its text stays inside."""
    return problem(request, 500, "The service failed to answer this request.")


async def _domain_error(request: Request, error: Exception) -> Response:
    status = next(status for kind, status in STATUS_OF.items() if isinstance(error, kind))
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    if isinstance(error, TooManyRequestsError):
        headers["Retry-After"] = str(error.seconds)
    return problem(request, status, str(error), headers)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - the class it is registered for
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return problem(request, 405, "This path has no such method.", {"Allow": _allow(request)})
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem(request, 404, "Nothing is at this path.")
    return problem(request, error.status_code, str(error.detail), error.headers)


async def invalid_request(request: Request, error: Exception) -> Response:
    """Return the answer to a request with invalid fields, or with a body that cannot be read."""
    if isinstance(error, UnreadableBodyError):
        return await _http_error(request, error)
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    if isinstance(error.body, bytes):  # FastAPI leaves a body of another media type unread
        return problem(request, 415, wrong_media_type(JSON))
    errors = [
        {"loc": [_short(part) for part in one["loc"]], "msg": one["msg"], "type": one["type"]}
        for one in error.errors()
    ]
    return problem(request, 422, "The request has invalid fields; see errors.", errors=errors)


def _short(part: str | int) -> str | int:
    return part[:LONGEST_FIELD_NAME] if isinstance(part, str) else part


def _allow(request: Request) -> str:
    """Return the methods of all routes at this path, for the field Allow."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.path_regex.match(request.scope["path"]):
            methods |= route.methods or set()
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods))
