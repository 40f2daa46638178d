"""`python -m platform_service` serves the application as it is deployed."""

import chassis.signals  # noqa: F401 - first, for the time of the other imports
from chassis.server import serve
from chassis.settings import load_settings
from platform_service.config import Settings
from platform_service.main import create_app

if __name__ == "__main__":
    settings = load_settings(Settings)
    serve(create_app(settings), settings)
