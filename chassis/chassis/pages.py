"""The query parameters of lists: filters apart, these are the same for every list."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from chassis.schemas import Input, NoNul, Number, OptionalParameter, RowId

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LAST_PUBLISHED_FIRST = "-published_at"
POSITION = struct.Struct(">qq")  # microseconds since EPOCH, and an id


def encode_cursor(moment: datetime, row_id: int) -> str:
    """Return the cursor of the page that follows a row."""
    position = POSITION.pack((moment - EPOCH) // MICROSECOND, row_id)
    return urlsafe_b64encode(position).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> tuple[datetime, int]:
    """Return the moment and the id of a row, or raise ValueError."""
    try:
        microseconds, row_id = POSITION.unpack(urlsafe_b64decode(f"{cursor}=="))
        moment = EPOCH + microseconds * MICROSECOND
    except (struct.error, OverflowError):
        raise ValueError from None
    # base64 skips what it does not know. A cursor has one form.
    if row_id < 1 or encode_cursor(moment, row_id) != cursor:
        raise ValueError
    return moment, row_id


def _readable(cursor: str) -> str:
    try:
        decode_cursor(cursor)
    except ValueError:
        raise PydanticCustomError("cursor", "Input should be a cursor from a Link") from None
    return cursor


# For generated clients, in which a name cannot begin with a minus.
NAMES_OF_ORDERS: list[JsonValue] = ["OLDEST_FIRST", "NEWEST_FIRST", "LAST_PUBLISHED_FIRST"]


class AnyPage(Input):
    """A page of a list, in whatever order."""

    skip: Number = Field(default=0, ge=0, le=1_000_000)
    limit: Number = Field(default=20, ge=1, le=100)
    after: OptionalParameter[RowId] = Field(
        default=None,
        description="An id: the page begins after it, in the order by id. Not together with skip.",
    )
    count: bool = Field(default=False, description="Send X-Total-Count")
    sort: str

    @model_validator(mode="after")
    def _starts_in_one_way(self) -> Self:
        if self.skip and self.position:
            raise PydanticCustomError("page", "skip and after or cursor cannot be used together")
        return self

    @property
    def position(self) -> dict[str, Any]:
        """The values of the row before the page, or {} if the page begins at the first row."""
        return {} if self.after is None else {"id": self.after}

    def next_parameter(self, row: dict[str, Any]) -> dict[str, str]:
        """Return the parameter of the page that follows a row."""
        return {"after": str(row["id"])}


class Page(AnyPage):
    """A page of a list by id."""

    sort: Literal["id", "-id"] = Field(
        default="id",
        description="`-id`: the newest first",
        json_schema_extra={"x-enum-varnames": NAMES_OF_ORDERS[:2]},
    )


class TextPage(AnyPage):
    """A page of texts, which are published at some time and can be searched."""

    sort: Literal["id", "-id", "-published_at"] = Field(
        default="id",
        description="`-id`: newest first. `-published_at`: only what is published, newest first",
        json_schema_extra={"x-enum-varnames": NAMES_OF_ORDERS},
    )
    cursor: OptionalParameter[Annotated[str, AfterValidator(_readable)]] = Field(
        default=None,
        description="The cursor of a Link: the page begins there, in the order by time. "
        "Not together with skip.",
    )
    q: OptionalParameter[Annotated[str, Field(min_length=1, max_length=200), NoNul]] = Field(
        default=None, description="Words that each result contains, in any letter case"
    )

    @model_validator(mode="after")
    def _begins_as_its_order_does(self) -> Self:
        by_id = self.sort != LAST_PUBLISHED_FIRST
        if (self.cursor if by_id else self.after) is not None:
            message = "sort=-published_at goes with cursor, the other orders with after"
            raise PydanticCustomError("page", message)
        return self

    @property
    def position(self) -> dict[str, Any]:
        """The values of the row before the page, or {} if the page begins at the first row."""
        if self.cursor is None:
            return super().position
        return dict(zip(("published_at", "id"), decode_cursor(self.cursor), strict=True))

    def next_parameter(self, row: dict[str, Any]) -> dict[str, str]:
        """Return the parameter of the page that follows a row."""
        if self.sort != LAST_PUBLISHED_FIRST:
            return super().next_parameter(row)
        return {"cursor": encode_cursor(row["published_at"], row["id"])}
