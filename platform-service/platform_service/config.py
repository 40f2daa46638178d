"""The settings of the service."""

from pathlib import Path
from typing import Literal

from pydantic import field_validator
from sqlalchemy.exc import ArgumentError

from chassis.postgresql import DRIVER, parse_url
from chassis.settings import TokenSettings
from chassis.sqlite import check_sqlite_url
from platform_service.keys import read_private_keys

ShowEmails = Literal["everyone", "signed-in", "owner"]


class Settings(TokenSettings, env_prefix="PLATFORM_"):
    """Every variable is `PLATFORM_` and the name of a field in capitals."""

    part = "platform-service"

    database_url: str
    database_password_file: Path | None = None
    signing_key_file: Path | None = None
    show_emails: ShowEmails = "everyone"

    @field_validator("database_url")
    @classmethod
    def _names_a_known_database(cls, value: str) -> str:
        try:
            url = parse_url(value)
        except ArgumentError:
            raise ValueError("is not a database URL such as postgresql://user@host/name") from None
        if url.drivername == "sqlite":
            return check_sqlite_url(value)
        if url.drivername != DRIVER:
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
