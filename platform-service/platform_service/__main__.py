"""`python -m platform_service` serves the application as it is deployed."""

from contextlib import suppress

from platform_service.config import load_settings
from platform_service.logs import configure_logging
from platform_service.main import create_app
from platform_service.server import Server

if __name__ == "__main__":
    settings = load_settings()
    configure_logging()
    with suppress(KeyboardInterrupt):  # raised when all is over, for who asked by Ctrl-C
        Server(create_app(settings), settings).run()
