"""Reading bodies: strictly, and so that a refusal comes after the route's own dependencies.

FastAPI reads a body before it calls a route's dependencies. A body that cannot be read is therefore
no exception but a value, which fails the validation later.
"""

import json
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from chassis.bodies import SMALL, has_too_many_values
from chassis.schemas import MAX_FIELDS, REPEATED, TOO_MANY_VALUES, NoQuery

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
FORM_LIMIT = 16 * 1024  # bytes. Each escape of a form takes Python a moment.
LONGEST_FIELD_NAME = 100
NOT_UTF_8 = "surrogateescape"  # pydantic refuses a surrogate in every text and every name
MAX_DIGITS = 20  # of a whole number that is read exactly; more are out of every field's bounds


def wrong_media_type(accepted: str) -> str:
    """Return the sentence for a body of another media type."""
    return f"The body must be sent as {accepted}."


class UnreadableBody:
    """Stands for a body that cannot be read. It has the answer's status and detail."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.detail, self.headers = status, detail, headers


class UnreadableForm(UnreadableBody, FormData):
    """The same for a form: one without fields, so that the required ones are missing."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        UnreadableBody.__init__(self, status, detail, headers)
        FormData.__init__(self)


class RepeatedFieldError(ValueError):
    """A body has a field twice. Its text may be shown to clients."""

    def __init__(self, names: Iterable[str]) -> None:
        name = Counter(names).most_common(1)[0][0]
        # Not every client can read a surrogate.
        shown = name.encode(errors="backslashreplace").decode()[:LONGEST_FIELD_NAME]
        super().__init__(f'The body has the field "{shown}" twice.')


class Parameters(QueryParams):
    """The parameters of a query. One that is repeated is REPEATED, which no schema takes."""

    def __getitem__(self, key: str) -> Any:
        """Return the value of a parameter."""
        values = self.getlist(key)
        if len(values) > 1:
            return REPEATED
        return super().__getitem__(key)


class StrictRequest(Request):
    """A request whose JSON is what RFC 8259 says: UTF-8, without NaN and Infinity.

    Nothing is in it twice, and its body is not compressed.
    """

    @cached_property
    def query_params(self) -> QueryParams:
        """The parameters of the query. Bytes that are not UTF-8 become what no schema takes."""
        text = self.scope["query_string"].decode(errors=NOT_UTF_8)
        query = QueryParams(parse_qsl(text, keep_blank_values=True, errors=NOT_UTF_8))
        return query if len(query) == len(query.multi_items()) else Parameters(query)

    def _wrong_kind(self, accepted: str) -> tuple[int, str, Mapping[str, str]] | None:
        """Return the answer to a body of another media type, or to one that is compressed."""
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != accepted:
            return 415, wrong_media_type(accepted), {}
        codings = ",".join(self.headers.getlist("content-encoding")).lower().split(",")
        if any(coding.strip() not in {"", "identity"} for coding in codings):
            detail = "The body must be sent without Content-Encoding."
            return 415, detail, {"Accept-Encoding": "identity"}  # RFC 7694, section 3
        return None

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the parts of the body. A large one waits until there is room for it."""
        received = 0
        async for part in super().stream():
            if received <= SMALL < received + len(part):
                await self.app.state.room.wait_for_bytes(self)
            received += len(part)
            yield part

    async def skip_body(self) -> None:
        """Read the body and keep nothing of it, since a larger one than the limit is refused."""
        try:
            async for _ in super().stream():
                pass
        except ClientDisconnect:
            raise HTTPException(400, "The body has not come whole.") from None

    async def json(self) -> Any:
        """Return the document, or what stands for one that is not read."""
        body = await self.body()
        if wrong := self._wrong_kind(JSON):
            return UnreadableBody(*wrong)
        if len(body) <= SMALL:
            return _document(body)
        return await self.app.state.room.parse(self, lambda: _document(body))

    async def form(self, **_limits: Any) -> FormData:  # type: ignore[override] # FastAPI awaits it
        """Return the form, encoded as OAuth2 prescribes (RFC 6749, appendix B)."""
        body = await self.body()
        if len(body) > FORM_LIMIT:
            raise HTTPException(413, f"The form is larger than {FORM_LIMIT} bytes.")
        if body and (wrong := self._wrong_kind(FORM)):
            return UnreadableForm(*wrong)
        try:
            fields = parse_qsl(
                body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
            )
        except ValueError:
            return UnreadableForm(400, f"The form is not UTF-8, or has over {MAX_FIELDS} fields.")
        try:
            return FormData(_fields(fields))
        except RepeatedFieldError as error:  # RFC 6749, section 3.2
            return UnreadableForm(400, str(error))


def _document(body: bytes) -> Any:
    """Return the document of a JSON body, or what stands for one that is not read."""
    if has_too_many_values(body):
        return TOO_MANY_VALUES
    try:
        return json.loads(
            body.decode(),
            parse_constant=_refuse,
            parse_int=_whole_number,
            object_pairs_hook=_fields,
        )
    except RepeatedFieldError as error:
        return UnreadableBody(400, str(error))
    except (ValueError, RecursionError):
        return UnreadableBody(400, "The body is not JSON in UTF-8.")


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise RepeatedFieldError(name for name, _ in pairs)
    return fields


def _whole_number(digits: str) -> int | float:
    """Return the number. One that is too long is a float, since int() takes quadratic time."""
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def refuse_query(request: Request) -> None:
    """Raise RequestValidationError if the request has a query parameter."""
    try:
        NoQuery.model_validate(dict.fromkeys(request.query_params))
    except ValidationError as error:
        errors = [{**each, "loc": ("query", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(errors) from None
