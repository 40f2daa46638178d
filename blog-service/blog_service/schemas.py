"""What the routes take and give. Unknown fields are refused: a misspelt one must not vanish."""

import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    model_validator,
)
from pydantic_core import PydanticCustomError

from blog_service.models import BODY_LENGTH, TITLE_LENGTH

MAX_ID = 2**63 - 1
MAX_FIELDS = 100


def _decimal_digits(value: Any) -> Any:
    """Refuse what int() would read as a number although it is not written as one: 1.0, +1, 01."""
    if isinstance(value, str) and not re.fullmatch(r"0|[1-9][0-9]*", value):
        raise PydanticCustomError("int_parsing", "Input should be a whole number in decimal digits")
    return value


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("string_nul", "String should not contain NUL")
    return value


DecimalDigits = BeforeValidator(_decimal_digits)
Number = Annotated[int, DecimalDigits]
RowId = Annotated[int, Field(ge=1, le=MAX_ID), DecimalDigits]
PostId = Annotated[RowId, Path()]
NoNul = AfterValidator(_without_nul)
Title = Annotated[str, Field(min_length=1, max_length=TITLE_LENGTH), NoNul]
Body = Annotated[str, Field(max_length=BODY_LENGTH), NoNul]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, value: Any) -> Any:
        """Refuse thousands of unknown fields at once: to name each would take seconds."""
        if isinstance(value, dict) and len(value) > MAX_FIELDS:
            message = "Object should have at most {limit} fields"
            raise PydanticCustomError("too_many_fields", message, {"limit": MAX_FIELDS})
        return value


class NoQuery(_Input):
    """The query of a route that has no query parameters."""


class PostPage(_Input):
    """Which posts of the list to give: the page and the filter."""

    skip: Number = Field(default=0, ge=0, le=1_000_000)
    limit: Number = Field(default=20, ge=1, le=100)
    after: RowId | None = Field(default=None, description="An id: what follows it")
    count: bool = Field(default=False, description="Send X-Total-Count")
    published: bool | None = None

    @model_validator(mode="after")
    def _starts_in_one_way(self) -> "PostPage":
        if {"skip", "after"} <= self.model_fields_set:
            raise PydanticCustomError("page", "skip and after cannot be used together")
        return self


class PostCreate(_Input):
    """A new post."""

    title: Title
    body: Body | None = None
    published: StrictBool = False


class PostUpdate(_Input):
    """The fields to change; one that is not sent stays."""

    # The defaults only say that a field may be missing: they are never looked at.
    title: Title = Field(default_factory=str)
    body: Body | None = None
    published: StrictBool = Field(default_factory=bool)


class PostOut(BaseModel):
    """A post as clients see it."""

    id: int
    title: str
    body: str | None
    published: bool
    created_at: datetime
