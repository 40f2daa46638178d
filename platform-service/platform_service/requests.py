"""How a body is read: strictly, and without answering before the route's own dependencies did."""

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

from fastapi import Depends, Query, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import FormData

from platform_service.schemas import MAX_FIELDS, NoQuery

FORM = "application/x-www-form-urlencoded"

NOT_JSON: Final = object()  # stands for a body that is not JSON


class RefusedForm(FormData):
    """Stands for a form that cannot be read: its required fields are missing."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__()
        self.status, self.detail = status, detail


class StrictRequest(Request):
    """A request whose JSON is what RFC 8259 says: UTF-8, without NaN and Infinity."""

    @property
    def media_type(self) -> str:
        """The media type of the body, without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def json(self) -> Any:
        """Give the document; the bytes if they are of another type; NOT_JSON if they are none."""
        body = await self.body()
        if self.media_type != "application/json":
            return body
        try:
            # No field is a number: float takes an integer of any length without complaint.
            return json.loads(body.decode(), parse_constant=_refuse, parse_int=float)
        except (ValueError, RecursionError):
            return NOT_JSON

    async def form(self, **_limits: Any) -> FormData:  # type: ignore[override] # FastAPI awaits it
        """Give the form, in the encoding that OAuth2 prescribes (RFC 6749, appendix B)."""
        body = await self.body()
        if body and self.media_type != FORM:
            return RefusedForm(415, f"The body must be sent as {FORM}.")
        try:
            fields = parse_qsl(
                body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
            )
        except ValueError:
            return RefusedForm(400, f"The form is not UTF-8, or has over {MAX_FIELDS} fields.")
        form = dict(fields)
        if len(form) < len(fields):
            return RefusedForm(400, "The form has a field twice.")  # RFC 6749, section 3.2
        return FormData(form)


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
