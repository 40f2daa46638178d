"""Reading bodies and queries: strictly."""

import json
from collections import Counter
from collections.abc import AsyncGenerator
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
MAX_DIGITS = 20  # of a whole number that is read exactly; a longer one is too large for every field


def wrong_media_type(accepted: str) -> str:
    """Return the sentence for a body of another media type."""
    return f"The body must be sent as {accepted}."


class UnreadableBodyError(HTTPException):
    """A body that cannot be read, or whose media type the route does not take."""


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

    def _refuse_another_kind(self, accepted: str) -> None:
        """Raise UnreadableBodyError for a body of another media type, or one that is compressed."""
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != accepted:
            raise UnreadableBodyError(415, wrong_media_type(accepted))
        codings = ",".join(self.headers.getlist("content-encoding")).lower().split(",")
        if any(coding.strip() not in {"", "identity"} for coding in codings):
            detail = "The body must be sent without Content-Encoding."
            accept = {"Accept-Encoding": "identity"}  # RFC 7694, section 3
            raise UnreadableBodyError(415, detail, accept)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the parts of the body. A large one waits until there is room for it."""
        received = 0
        async for part in self._parts():
            if received <= SMALL < received + len(part):
                await self.app.state.room.wait_for_bytes(self)
            received += len(part)
            yield part

    async def skip_body(self) -> None:
        """Read and discard the body, so that one beyond the limit is refused."""
        async for _ in self._parts():
            pass

    async def _parts(self) -> AsyncGenerator[bytes, None]:
        try:
            async for part in super().stream():
                yield part
        except ClientDisconnect:
            raise HTTPException(400, "The body has not come whole.") from None

    async def json(self) -> Any:
        """Return the document, or raise UnreadableBodyError."""
        body = await self.body()
        self._refuse_another_kind(JSON)
        if len(body) <= SMALL:
            return _document(body)
        return await self.app.state.room.parse(self, lambda: _document(body))

    async def form(self, **_limits: Any) -> FormData:  # type: ignore[override] # FastAPI awaits it
        """Return the form, encoded as OAuth2 prescribes, or raise UnreadableBodyError.

        RFC 6749 has the encoding in appendix B, and refuses a repeated field in section 3.2.
        """
        body = await self.body()
        if len(body) > FORM_LIMIT:
            raise HTTPException(413, f"The form is larger than {FORM_LIMIT} bytes.")
        if body:
            self._refuse_another_kind(FORM)
        try:
            fields = parse_qsl(
                body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
            )
        except ValueError:
            detail = f"The form is not UTF-8, or has over {MAX_FIELDS} fields."
            raise UnreadableBodyError(400, detail) from None
        return FormData(_fields(fields))


def _document(body: bytes) -> Any:
    """Return the document of a JSON body, or TOO_MANY_VALUES instead of a large one."""
    if has_too_many_values(body):
        return TOO_MANY_VALUES
    try:
        return json.loads(
            body.decode(),
            parse_constant=_refuse,
            parse_int=_whole_number,
            object_pairs_hook=_fields,
        )
    except (ValueError, RecursionError):
        raise UnreadableBodyError(400, "The body is not JSON in UTF-8.") from None


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the fields by name. Raise UnreadableBodyError if one is there twice."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        # Not every client can read a surrogate.
        shown = name.encode(errors="backslashreplace").decode()[:LONGEST_FIELD_NAME]
        raise UnreadableBodyError(400, f'The body has the field "{shown}" twice.')
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
