"""Settings: read once from the environment, then passed to whatever needs them."""

import re
import sys
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BeforeValidator, Field, HttpUrl, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode


def _split(value: Any) -> Any:
    return list(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


CommaSeparated = (NoDecode, BeforeValidator(_split))


LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(str.lower)]
Hosts = Annotated[tuple[str, ...], *CommaSeparated, Field(min_length=1)]
_SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://")


class PartSettings(BaseSettings, frozen=True, env_ignore_empty=True):
    """The settings that every part has. A part adds its name, its prefix and its own fields.

    An empty variable counts as unset.
    """

    part: ClassVar[str]  # its name in logs and on standard error

    host: Hosts = ("127.0.0.1",)
    port: int = Field(default=8000, ge=0, le=65535)
    drain_seconds: float = Field(default=2, ge=0, le=60)
    log_level: LogLevel = "info"

    @model_validator(mode="before")
    @classmethod
    def _leave_service_links_out(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value
            for name, value in values.items()
            if not (name.endswith("port") and is_service_link(value))
        }


class TokenSettings(PartSettings, frozen=True):
    """The settings of a service that verifies tokens."""

    token_issuer: str = "inkwell-platform"
    token_audience: str = "inkwell"


class CallerSettings(TokenSettings, frozen=True):
    """The settings of a service whose callers have tokens of another service.

    Without a URL of the keys that verify them it knows no callers.
    """

    keys_url: HttpUrl | None = None


S = TypeVar("S", bound=PartSettings)


def load_settings(settings: type[S]) -> S:
    """Return the settings, or end the process with one sentence that names the variable."""
    try:
        return settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"{settings.model_config['env_prefix']}{first['loc'][0]}".upper()
        sys.exit(f"{settings.part}: {name}{_reason(first)}.")


def is_service_link(port: Any) -> bool:
    """Return whether Kubernetes set the variable of a port, for a Service of the same name.

    Such a value is the address of the Service, and not for the part.
    """
    return isinstance(port, str) and _SERVICE_LINK.match(port) is not None


def _reason(error: ErrorDetails) -> str:
    """Return the rest of the sentence that begins with the name of a variable."""
    if error["type"] == "missing":
        return " is missing"
    if error["type"] == "value_error":  # a validator of ours continues the sentence
        return f" {error['ctx']['error']}"
    return f": {error['msg']}"
