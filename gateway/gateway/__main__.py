"""`python -m gateway` serves until a signal ends it, or says in one sentence why it cannot."""

import resource
import sys
from contextlib import suppress

import chassis.signals  # noqa: F401 - first, for the time of the other imports
from chassis.logs import configure_logging
from chassis.server import bind, spare_the_collector
from chassis.settings import load_settings
from gateway.client.server import Server
from gateway.config import Settings
from gateway.main import create_app
from gateway.metrics import serve_metrics


def allow_many_files() -> None:
    """Raise the limit of open files to the system's maximum: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems have another limit still
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(settings: Settings) -> None:
    """Serve until a signal arrives. The signals are caught before the ports are open."""
    configure_logging(settings.part, settings.log_level)
    allow_many_files()
    app = create_app(settings)
    server = Server(app)
    with server.capture_signals():
        listeners = bind(settings.host, settings.port)
        for listener in listeners:
            listener.listen(server.config.backlog)
        for listener in bind(settings.metrics_host, settings.metrics_port):
            serve_metrics(listener, app.proxy.metrics.registry)
        spare_the_collector()
        server.run(listeners)


if __name__ == "__main__":
    settings = load_settings(Settings)
    try:
        main(settings)
    except ValueError as error:  # of the store's URL
        sys.exit(f"gateway: {error}")
    except OSError as error:
        ports = f"{settings.port} and, for metrics, {settings.metrics_port}"
        sys.exit(f"gateway: cannot listen at ports {ports}: {error.strerror}.")
