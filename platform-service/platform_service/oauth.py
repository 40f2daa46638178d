"""Errors as clients of OAuth2 read them (RFC 6749, section 5.2)."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from chassis.errors import DomainError, TooManyRequestsError, UnauthorizedError
from chassis.routes import Route
from platform_service.errors import RefreshTokenError, WrongPasswordError


class OAuthRoute(Route):
    """A route whose problems have the member `error` (RFC 6749, section 5.2)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which adds the code of an error to its problem."""
        handler = super().get_route_handler()

        async def marking_handler(request: Request) -> Response:
            try:
                return await handler(request)
            except (DomainError, HTTPException, RequestValidationError) as error:
                if code := _oauth_error(error):
                    request.state.problem = {"error": code}
                raise

        return marking_handler


def _oauth_error(error: Exception) -> str | None:
    """Return the code of an error, or None for a failure of the service and for 429."""
    if isinstance(error, HTTPException) and error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    if isinstance(error, TooManyRequestsError):
        return None
    if isinstance(error, WrongPasswordError | RefreshTokenError):
        return "invalid_grant"
    if isinstance(error, UnauthorizedError):
        return "invalid_client"
    invalid = error.errors() if isinstance(error, RequestValidationError) else []
    if any(tuple(one["loc"]) == ("body", "grant_type") for one in invalid):
        return "unsupported_grant_type"
    return "invalid_request"
