"""The settings of the service."""

from chassis.settings import CallerSettings
from chassis.sqlite import SqliteUrl


class Settings(CallerSettings, env_prefix="BLOG_"):
    """Every variable is `BLOG_` and the name of a field in capitals."""

    part = "blog-service"

    database_url: SqliteUrl = "sqlite:///./blog.db"
