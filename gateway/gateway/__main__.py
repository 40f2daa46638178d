"""`python -m gateway`."""

import gc
import socket
import sys
from contextlib import suppress

from prometheus_client import start_http_server

from gateway import logs
from gateway.config import ConfigurationError, load_settings
from gateway.main import create_app
from gateway.server import Server


def main() -> str | None:
    """Serve until told to stop; return the sentence that says why it cannot."""
    try:
        settings = load_settings()
        app = create_app(settings)
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        address = (settings.host, settings.port)
        with (
            suppress(KeyboardInterrupt),
            socket.create_server(address, family=family, backlog=2048) as listener,
        ):
            start_http_server(settings.metrics_port, settings.metrics_host, app.metrics.registry)
            logs.configure(settings.log_level)
            # What the start made lives on: the collector need not look at it again, nor often at
            # what many clients at once keep alive for a moment.
            gc.freeze()
            gc.set_threshold(50_000, 20, 100)
            Server(app).run([listener])
    except (ConfigurationError, ValueError) as error:
        return str(error)
    except OSError as error:
        ports = f"{settings.port} and, for metrics, {settings.metrics_port}"
        return f"The gateway cannot listen at ports {ports}: {error.strerror}."
    return None


if __name__ == "__main__":
    sys.exit(main())
