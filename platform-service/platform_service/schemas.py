"""What the routes take and give. Unknown fields are refused: a misspelt one must not vanish."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    StrictBool,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
    validate_email,
)
from pydantic_core import PydanticCustomError

from platform_service.models import CONTENT_LENGTH, EMAIL_LENGTH, TITLE_LENGTH

MAX_ID = 2**63 - 1
MAX_FIELDS = 100
PASSWORD_LENGTH = 128


def _decimal_digits(value: Any) -> Any:
    """Refuse what int() would read as a number although it is not written as one: 1.0, +1, 01."""
    if isinstance(value, str) and not re.fullmatch(r"0|[1-9][0-9]*", value):
        raise PydanticCustomError("int_parsing", "Input should be a whole number in decimal digits")
    return value


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("string_nul", "String should not contain NUL")
    return value


def _bare_address(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Take no display name ("Ada <ada@…>"), and give no reason: it would quote what was sent."""
    try:
        if isinstance(value, str) and "<" not in value:
            return validate(value)
    except ValidationError:
        pass
    message = "Input should be an e-mail address of at most {limit} characters"
    raise PydanticCustomError("email", message, {"limit": EMAIL_LENGTH})


def _as_registered(value: str) -> str:
    """Normalise an address as signing up does; what is none stays, and is nobody's."""
    try:
        return value if "<" in value else validate_email(value)[1]
    except ValueError:
        return value


DecimalDigits = BeforeValidator(_decimal_digits)
Number = Annotated[int, DecimalDigits]
RowId = Annotated[int, Field(ge=1, le=MAX_ID), DecimalDigits]
UserId = Annotated[RowId, Path()]
ArticleId = Annotated[RowId, Path()]
Email = Annotated[EmailStr, Field(max_length=EMAIL_LENGTH), WrapValidator(_bare_address)]
NoNul = AfterValidator(_without_nul)
Password = Annotated[str, Field(min_length=8, max_length=PASSWORD_LENGTH), NoNul]
Title = Annotated[str, Field(min_length=1, max_length=TITLE_LENGTH), NoNul]
Content = Annotated[str, Field(min_length=1, max_length=CONTENT_LENGTH), NoNul]


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


class Page(_Input):
    """Which part of a list to give."""

    skip: Number = Field(default=0, ge=0, le=1_000_000)
    limit: Number = Field(default=20, ge=1, le=100)
    after: RowId | None = Field(default=None, description="An id: what follows it")
    count: bool = Field(default=False, description="Send X-Total-Count")

    @model_validator(mode="after")
    def _starts_in_one_way(self) -> "Page":
        if {"skip", "after"} <= self.model_fields_set:
            raise PydanticCustomError("page", "skip and after cannot be used together")
        return self


class ArticlePage(Page):
    """Which part of the articles to give, and the filters."""

    is_published: bool | None = None
    owner_id: RowId | None = None


class UserCreate(_Input):
    """A new user."""

    email: Email
    password: Password


class UserOut(BaseModel):
    """A user as clients see it."""

    id: int
    email: str
    is_active: bool
    created_at: datetime


class TokenRequest(_Input):
    """The form of the OAuth2 password grant (RFC 6749, section 4.3.2)."""

    username: Annotated[
        str,
        Field(max_length=EMAIL_LENGTH, description="The e-mail"),
        NoNul,
        AfterValidator(_as_registered),
    ]
    password: Annotated[str, Field(max_length=PASSWORD_LENGTH), NoNul]
    grant_type: Literal["password"] = "password"
    scope: Annotated[str, NoNul] = ""
    client_id: Annotated[str, NoNul] = ""
    client_secret: Annotated[str, NoNul] = ""


class TokenOut(BaseModel):
    """The token (RFC 6749, section 5.1); `expires_in` is in seconds."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int


class ArticleCreate(_Input):
    """A new article; its owner is whoever sends it."""

    title: Title
    content: Content
    is_published: StrictBool = False


class ArticleUpdate(_Input):
    """The fields to change; one that is not sent stays."""

    # The defaults only say that a field may be missing: they are never looked at.
    title: Title = Field(default_factory=str)
    content: Content = Field(default_factory=str)
    is_published: StrictBool = Field(default_factory=bool)


class ArticleOut(BaseModel):
    """An article as clients see it."""

    id: int
    title: str
    content: str
    is_published: bool
    owner_id: int
    owner_email: str
    created_at: datetime
