"""`python -m blog_service` serves the application as it is deployed."""

import chassis.signals  # noqa: F401 - first, for the time of the other imports
from blog_service.config import Settings
from blog_service.main import create_app
from chassis.server import serve
from chassis.settings import load_settings

if __name__ == "__main__":
    settings = load_settings(Settings)
    serve(create_app(settings), settings)
