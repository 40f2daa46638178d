"""The shapes that the routes accept and return."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import Path
from pydantic import (
    MISSING,
    AfterValidator,
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    StrictBool,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from chassis.pages import TextPage
from chassis.schemas import Input, NoNul, OptionalParameter, Output, RowId, example
from platform_service.emails import as_registered, email_key
from platform_service.models import CONTENT_LENGTH, EMAIL_LENGTH, TITLE_LENGTH

PASSWORD_LENGTH = 128


def _bare_address(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Refuse a display name ("Ada <ada@…>"), and give no reason: it would quote the value."""
    try:
        if isinstance(value, str) and "<" not in value:
            email = validate(value)
            if len(email_key(email)) <= EMAIL_LENGTH:
                return email
    except ValidationError:
        pass
    message = "Input should be an e-mail address of at most {limit} characters"
    raise PydanticCustomError("email", message, {"limit": EMAIL_LENGTH})


UserId = Annotated[RowId, Path(examples=[1])]
ArticleId = Annotated[RowId, Path(examples=[1])]
Email = Annotated[EmailStr, Field(max_length=EMAIL_LENGTH), WrapValidator(_bare_address)]
Password = Annotated[str, Field(min_length=8, max_length=PASSWORD_LENGTH), NoNul]
# A password to verify: it may be wrong, and then shorter than any that was ever set.
AnyPassword = Annotated[str, Field(min_length=1, max_length=PASSWORD_LENGTH), NoNul]
HIDDEN = Field(description="Null where the deployment hides it from the caller")
Title = Annotated[str, Field(min_length=1, max_length=TITLE_LENGTH), NoNul]
Content = Annotated[str, Field(min_length=1, max_length=CONTENT_LENGTH), NoNul]

EMAIL = "ada@example.com"
PASSWORD = "correct horse"
REFRESH = "refresh_token"
TOKEN = "k0Xv4uT2o5cQ1dJb8rWn3yZs6gHaLmEp9fKiVtCxB7w"
TEXT = {"title": "On engines", "content": "The engine weaves patterns.", "is_published": True}
TIME = "2026-11-28T09:30:00Z"


class UserCreate(Input):
    """A new user."""

    model_config = example({"email": EMAIL, "password": PASSWORD})

    email: Email
    # Not in dumps: the fingerprint of a body is a fast hash.
    password: Annotated[Password, Field(exclude=True)]


class UserUpdate(Input):
    """The e-mail, the password or both. A field that is not sent keeps its value."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"current_password": PASSWORD, "password": "battery staple"}],
            "minProperties": 2,
        }
    )

    current_password: AnyPassword
    email: Email | MISSING = MISSING
    password: Password | MISSING = MISSING

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.email is MISSING and self.password is MISSING:
            raise PydanticCustomError("no_change", "Input should have email or password")
        return self


class AccountDelete(Input):
    """The consent to delete an account."""

    model_config = example({"current_password": PASSWORD})

    current_password: AnyPassword


class UserOut(Output):
    """A user as clients see it."""

    model_config = example({"id": 1, "email": EMAIL, "is_active": True, "created_at": TIME})

    id: int
    email: Annotated[str | None, HIDDEN]
    is_active: bool
    created_at: datetime


class TokenRequest(Input):
    """The form of two grants of OAuth2 (RFC 6749): of the password, and of the refresh token.

    `grant_type=password`, the default, needs `username` and `password` (section 4.3.2);
    `grant_type=refresh_token` needs `refresh_token` (section 6). Other fields are ignored, as
    section 3.2 asks.
    """

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [{"username": EMAIL, "password": PASSWORD}],
            "additionalProperties": {"type": "string"},
            "if": {"required": ["grant_type"], "properties": {"grant_type": {"const": REFRESH}}},
            "then": {"required": ["refresh_token"]},
            "else": {"required": ["username", "password"]},
        },
    )

    # The defaults only say that a field may be missing.
    username: Annotated[
        str,
        Field(min_length=1, max_length=EMAIL_LENGTH, description="The e-mail"),
        NoNul,
        AfterValidator(as_registered),
    ] = Field(default_factory=str)
    password: AnyPassword = Field(default_factory=str)
    # Of any length: one that is too long is as good as any other that is not valid.
    refresh_token: Annotated[str, Field(min_length=1, description="The newest refresh token")] = (
        Field(default_factory=str)
    )
    grant_type: Literal["password", "refresh_token"] = "password"
    scope: Annotated[str, NoNul] = ""
    client_id: Annotated[str, NoNul] = ""
    client_secret: Annotated[str, NoNul] = ""

    @model_validator(mode="after")
    def _has_credentials(self) -> Self:
        """Refuse the password grant without its fields. Without a refresh token it is 400."""
        if self.grant_type == "password":
            missing = [name for name in ("username", "password") if not getattr(self, name)]
            errors = [InitErrorDetails(type="missing", loc=(it,), input=None) for it in missing]
            if errors:
                raise ValidationError.from_exception_data("TokenRequest", errors)
        return self


class RevocationRequest(Input):
    """The form that ends a session (RFC 7009, section 2.1). Other fields are ignored.

    A field without a value counts as missing (RFC 6749, section 3.2).
    """

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [{"token": TOKEN}],
            "additionalProperties": {"type": "string"},
        },
    )

    token: Annotated[
        str, Field(min_length=1, description="A refresh token; with `all=true` any token")
    ]
    token_type_hint: Annotated[str, Field(description="Accepted and ignored")] = ""
    all: Annotated[
        str,
        Field(pattern="^(true|false)?$", description="Whether every session of the user ends"),
    ] = ""


class TokenOut(BaseModel):
    """The tokens (RFC 6749, section 5.1). Both times are in seconds.

    A refresh token is used once: its answer has the next one. `refresh_expires_in` counts down to
    the end of the session, 30 days after the user signed in.
    """

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int
    refresh_token: str
    refresh_expires_in: int


class PublicKey(BaseModel):
    """A key that verifies tokens (RFC 7517 and 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    use: Literal["sig"]
    alg: Literal["EdDSA"]


class PublicKeys(BaseModel):
    """A JWK Set. A token names its key by `kid`."""

    keys: list[PublicKey]


class ArticlePage(TextPage):
    """A page of articles, and the filters."""

    is_published: OptionalParameter[bool] = None
    owner_id: OptionalParameter[RowId] = None


class ArticleCreate(Input):
    """A new article. Its owner is the caller."""

    model_config = example(TEXT)

    title: Title
    content: Content
    is_published: StrictBool = False


class ArticleUpdate(Input):
    """The fields to change. A field that is not sent keeps its value."""

    model_config = example({"is_published": True})

    # model_dump() leaves out what is MISSING.
    title: Title | MISSING = MISSING
    content: Content | MISSING = MISSING
    is_published: StrictBool | MISSING = MISSING


class ArticleOut(Output):
    """An article as clients see it."""

    model_config = example(
        {
            "id": 1,
            **TEXT,
            "owner_id": 1,
            "owner_email": EMAIL,
            "created_at": TIME,
            "updated_at": "2026-11-28T10:15:00Z",
            "published_at": "2026-11-28T10:00:00Z",
        }
    )

    id: int
    title: str
    content: str
    is_published: bool
    owner_id: int
    owner_email: Annotated[str | None, HIDDEN]
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
