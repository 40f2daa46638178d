"""`python -m blog_service` serves the application as it is deployed."""

import gc
from contextlib import suppress

from blog_service.config import load_settings
from blog_service.logs import configure_logging
from blog_service.main import create_app
from blog_service.server import Server

if __name__ == "__main__":
    settings = load_settings()
    configure_logging()
    app = create_app(settings)
    # What the start made lives on: the collector need not look at it again, nor often at what
    # many requests at once keep alive for a moment.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    with suppress(KeyboardInterrupt):  # raised when all is over, for who asked by Ctrl-C
        Server(app, settings).run()
