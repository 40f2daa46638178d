"""A service, as the fixtures of its tests know it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from sqlalchemy import URL

from chassis.database import Database
from chassis_testing.running import Part


@dataclass(frozen=True)
class Service(Part):
    """A part with a database. A conftest.py has one as its fixture `service`."""

    settings: type[Any]
    create_app: Callable[[Any], FastAPI]
    make_database: Callable[[Any], Database]

    def settings_for(self, url: URL) -> Any:
        """Return the settings of a server that stops at once."""
        return self.settings(database_url=rendered(url), drain_seconds=0)

    def database_at(self, url: URL) -> Database:
        """Return the database at this URL."""
        return self.make_database(self.settings_for(url))


def rendered(url: URL) -> str:
    """Return the text of a URL, its password included."""
    return url.render_as_string(hide_password=False)
