"""`python -m gateway` serves until it is told to stop, or says in one sentence why it cannot."""

import gc
import socket
import sys

from prometheus_client import start_http_server

from gateway.config import load_settings
from gateway.logs import configure_logging
from gateway.main import create_app
from gateway.server import Server

if __name__ == "__main__":
    try:
        settings = load_settings()
        app = create_app(settings)
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        address = (settings.host, settings.port)
        with socket.create_server(address, family=family, backlog=2048) as listener:
            start_http_server(settings.metrics_port, settings.metrics_host, app.metrics.registry)
            configure_logging(settings.log_level)
            # What the start made lives on: the collector need not look at it again, nor often at
            # what many clients at once keep alive for a moment.
            gc.freeze()
            gc.set_threshold(50_000, 20, 100)
            Server(app).run([listener])
    except KeyboardInterrupt:  # raised when all is over, for who asked by Ctrl-C
        pass
    except ValueError as error:  # of the store's URL
        sys.exit(f"gateway: {error}")
    except OSError as error:
        ports = f"{settings.port} and, for metrics, {settings.metrics_port}"
        sys.exit(f"gateway: cannot listen at ports {ports}: {error.strerror}.")
