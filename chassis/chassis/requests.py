"""Reading bodies: strictly, and so that a refusal comes after the route's own dependencies.

FastAPI reads a body before it asks who is calling. A body that cannot be read is therefore no
exception but a value, which fails the validation later.
"""

import json
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, Query, Request
from starlette.datastructures import FormData

from chassis.schemas import MAX_FIELDS, NoQuery

FORM = "application/x-www-form-urlencoded"
NOT_JSON_TYPE = "The body must be sent as application/json."


class UnreadableBody:
    """Stands for a body that cannot be read. It has the answer's status and detail."""

    def __init__(self, status: int, detail: str) -> None:
        self.status, self.detail = status, detail


class UnreadableForm(UnreadableBody, FormData):
    """The same for a form: one without fields, so that the required ones are missing."""

    def __init__(self, status: int, detail: str) -> None:
        UnreadableBody.__init__(self, status, detail)
        FormData.__init__(self)


class StrictRequest(Request):
    """A request whose JSON is what RFC 8259 says: UTF-8, without NaN and Infinity."""

    @property
    def media_type(self) -> str:
        """The media type of the body, without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def json(self) -> Any:
        """Return the document, or an UnreadableBody."""
        body = await self.body()
        if self.media_type != "application/json":
            return UnreadableBody(415, NOT_JSON_TYPE)
        try:
            # No field is a number. As a float an integer may have any length.
            return json.loads(body.decode(), parse_constant=_refuse, parse_int=float)
        except (ValueError, RecursionError):
            return UnreadableBody(400, "The body is not JSON in UTF-8.")

    async def form(self, **_limits: Any) -> FormData:  # type: ignore[override] # FastAPI awaits it
        """Return the form, encoded as OAuth2 prescribes (RFC 6749, appendix B)."""
        body = await self.body()
        if body and self.media_type != FORM:
            return UnreadableForm(415, f"The body must be sent as {FORM}.")
        try:
            fields = parse_qsl(
                body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
            )
        except ValueError:
            return UnreadableForm(400, f"The form is not UTF-8, or has over {MAX_FIELDS} fields.")
        form = dict(fields)
        if len(form) < len(fields):
            return UnreadableForm(400, "The form has a field twice.")  # RFC 6749, section 3.2
        return FormData(form)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


async def _refuse_query(_query: Annotated[NoQuery, Query()]) -> None:
    """Refuse every query parameter."""


NO_QUERY = Depends(_refuse_query)
