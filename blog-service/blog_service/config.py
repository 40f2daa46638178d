"""The settings of the service."""

import os
from pathlib import Path

from pydantic import field_validator
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from chassis.settings import CallerSettings
from chassis.sqlite import find_damage

PART = "blog-service"


class Settings(CallerSettings, env_prefix="BLOG_"):
    """Every variable is `BLOG_` and the name of a field in capitals."""

    database_url: str = "sqlite:///./blog.db"

    @field_validator("database_url")
    @classmethod
    def _names_a_writable_sqlite_file(cls, value: str) -> str:
        try:
            url = make_url(value)
        except ArgumentError:
            raise ValueError("is not a database URL such as sqlite:///./blog.db") from None
        if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
            raise ValueError("must name an SQLite file, such as sqlite:///./blog.db")
        file = Path(url.database).resolve()
        if not os.access(file.parent, os.W_OK):
            raise ValueError(
                f"lies in {file.parent}, which is not a folder this process may write to"
            )
        if file.exists() and (damage := find_damage(file)):
            raise ValueError(f"names {file}, which is damaged: {damage}")
        return value
