"""Types that the schemas of every service are made of.

Unknown fields are refused, since a misspelt one must not vanish.
"""

import re
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticKnownError

T = TypeVar("T")

MAX_ID = 2**63 - 1
MAX_FIELDS = 100
REPEATED = object()  # stands for the value of a field that was sent twice
MAX_VALUES = 1000  # of a document
TOO_MANY_VALUES = object()  # stands for a document that has more


def _decimal_digits(value: Any) -> Any:
    """Refuse text that int() accepts although it is not a plain number: 1.0, +1, 01."""
    if isinstance(value, str) and not re.fullmatch(r"0|[1-9][0-9]*", value):
        raise PydanticCustomError("int_parsing", "Input should be a whole number in decimal digits")
    return value


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("string_nul", "String should not contain NUL")
    return value


def _without_null(schema: dict[str, Any]) -> None:
    for one in schema.pop("anyOf"):
        if one != {"type": "null"}:
            schema.update(one)


DecimalDigits = BeforeValidator(_decimal_digits)
Number = Annotated[int, DecimalDigits]
RowId = Annotated[int, Field(ge=1, le=MAX_ID), DecimalDigits]
NoNul = AfterValidator(_without_nul)
# A parameter that may be missing. The document has no null for it, since no query can say null.
OptionalParameter = Annotated[T | None, Field(json_schema_extra=_without_null)]


def example(fields: dict[str, Any]) -> ConfigDict:
    """Return the `model_config` of a schema with an example in the OpenAPI document."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Input(BaseModel):
    """The input of a client: a body, a form or a query."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_a_small_object(cls, value: Any) -> Any:
        """Refuse thousands of unknown fields at once: naming each would take seconds."""
        if value is TOO_MANY_VALUES:
            message = "Document should have at most {limit} values"
            raise PydanticCustomError("too_many_values", message, {"limit": MAX_VALUES})
        if not isinstance(value, dict):
            raise PydanticKnownError("model_attributes_type")
        if len(value) > MAX_FIELDS:
            message = "Object should have at most {limit} fields"
            raise PydanticCustomError("too_many_fields", message, {"limit": MAX_FIELDS})
        repeated = [name for name, sent in value.items() if sent is REPEATED]
        if repeated:
            raise _sent_twice(cls.__name__, repeated)
        return value


def _sent_twice(title: str, names: list[str]) -> ValidationError:
    error = PydanticCustomError("repeated", "Input should be sent once")
    errors = [InitErrorDetails(type=error, loc=(name,), input=None) for name in names]
    return ValidationError.from_exception_data(title, errors)


class NoQuery(Input):
    """The query of a route that has no query parameters."""


class Output(BaseModel):
    """An entity or a row as clients see it."""

    model_config = ConfigDict(from_attributes=True)
