"""The service's settings: read once from the environment, then passed to whoever needs them."""

import sys
from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from platform_service.keys import read_private_keys

POSTGRESQL = "postgresql+psycopg2"


class Settings(BaseSettings):
    """Every variable is `PLATFORM_` and the name of a field in capitals."""

    model_config = SettingsConfigDict(env_prefix="PLATFORM_", frozen=True)

    database_url: str
    database_password_file: Path | None = None
    signing_key_file: Path | None = None
    token_issuer: str = "inkwell-platform"
    token_audience: str = "inkwell"
    host: str = "127.0.0.1"
    port: int = Field(default=8002, ge=0, le=65535)
    drain_seconds: float = Field(default=2, ge=0, le=60)

    @field_validator("database_url")
    @classmethod
    def _names_a_known_database(cls, value: str) -> str:
        try:
            url = make_url(value)
        except ArgumentError:
            raise ValueError("is not a database URL such as postgresql://user@host/name") from None
        if url.drivername in {"postgres", "postgresql"}:
            url = url.set(drivername=POSTGRESQL)
        if url.drivername not in {POSTGRESQL, "sqlite"}:
            raise ValueError("must begin with postgresql:// (or sqlite:/// to try the service)")
        return url.render_as_string(hide_password=False)

    @field_validator("database_password_file")
    @classmethod
    def _holds_a_password(cls, value: Path | None) -> Path | None:
        try:
            holds_one = value is None or bool(value.read_text().strip())
        except (OSError, ValueError):
            holds_one = False
        if not holds_one:
            raise ValueError("must name a readable file with the password")
        return value

    @field_validator("signing_key_file")
    @classmethod
    def _holds_keys(cls, value: Path | None) -> Path | None:
        try:
            if value is not None:
                read_private_keys(value)
        except (OSError, ValueError):
            raise ValueError("must name a readable file of Ed25519 private keys in PEM") from None
        return value

    @property
    def full_database_url(self) -> URL:
        """The URL with the password from its file."""
        url = make_url(self.database_url)
        if self.database_password_file is None:
            return url
        return url.set(password=self.database_password_file.read_text().strip())


def load_settings() -> Settings:
    """Read the settings, or end the process with one sentence that names the variable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "PLATFORM_" + "_".join(map(str, first["loc"])).upper()
        reason = "is missing" if first["type"] == "missing" else first["msg"]
        sys.exit(f"platform-service: {name} {reason.removeprefix('Value error, ')}.")
