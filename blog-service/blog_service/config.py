"""The service's settings: read once from the environment, then passed to whoever needs them."""

import os
import sys
from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError


class Settings(BaseSettings):
    """Every variable is `BLOG_` and the name of a field in capitals."""

    model_config = SettingsConfigDict(env_prefix="BLOG_", frozen=True)

    database_url: str = "sqlite:///./blog.db"
    host: str = "127.0.0.1"
    port: int = Field(default=8001, ge=0, le=65535)
    drain_seconds: float = Field(default=2, ge=0, le=60)

    @field_validator("database_url")
    @classmethod
    def _names_a_writable_sqlite_file(cls, value: str) -> str:
        try:
            url = make_url(value)
        except ArgumentError:
            raise ValueError("is not a database URL such as sqlite:///./blog.db") from None
        if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
            raise ValueError("must name an SQLite file, such as sqlite:///./blog.db")
        folder = Path(url.database).resolve().parent
        if not os.access(folder, os.W_OK):
            raise ValueError(f"lies in {folder}, which is not a folder this process may write to")
        return value


def load_settings() -> Settings:
    """Read the settings, or end the process with one sentence that names the variable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "BLOG_" + "_".join(map(str, first["loc"])).upper()
        sys.exit(f"blog-service: {name} {first['msg'].removeprefix('Value error, ')}.")
