"""How a body is read: strictly, and without answering before the route's own dependencies did."""

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final
from urllib.parse import unquote_to_bytes

from fastapi import Depends, Query, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from platform_service.schemas import NoQuery

FORM = "application/x-www-form-urlencoded"

NOT_JSON: Final = object()  # stands for a body that is not JSON


class StrictRequest(Request):
    """A request whose JSON is what RFC 8259 says: UTF-8, without NaN and Infinity."""

    async def json(self) -> Any:
        """Give the document, or NOT_JSON, which no schema takes."""
        body = await self.body()
        try:
            # No field is a number: float takes an integer of any length without complaint.
            return json.loads(body.decode(), parse_constant=_refuse, parse_int=float)
        except (ValueError, RecursionError):
            return NOT_JSON

    async def form(self, **limits: Any) -> FormData:  # type: ignore[override] # FastAPI awaits it
        """Give the form, in the encoding that OAuth2 prescribes (RFC 6749, appendix B)."""
        body = await self.body()
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if body and media_type != FORM:
            raise HTTPException(415, f"The body must be sent as {FORM}.")
        try:
            unquote_to_bytes(body).decode()
        except UnicodeDecodeError:
            raise HTTPException(400, "The form is not in UTF-8.") from None
        return await super().form(**limits)


class StrictRoute(APIRoute):
    """A route whose handler gets a StrictRequest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handler = super().get_route_handler()

        async def strict_handler(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict_handler


def _refuse(constant: str) -> None:
    raise ValueError(constant)


async def _refuse_query(_query: Annotated[NoQuery, Query()]) -> None:
    """Refuse every query parameter."""


NO_QUERY = Depends(_refuse_query)
