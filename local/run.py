"""Run the whole system as processes on this machine: `make run`.

The gateway listens on 127.0.0.1:GATEWAY_PORT (8000) and reads the other GATEWAY_… variables too.
The data are in the folder INKWELL_DATA (.data in the root folder). Ctrl-C stops everything in
order, and a second one at once.
"""

import chassis.signals  # noqa: F401 - first, for the time of the other imports

# isort: split
import json
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import URL

import data
from chassis.settings import is_service_link
from chassis_testing.die_with_parent import ask_for_signal
from chassis_testing.ports import free_ports
from chassis_testing.postgres import UnavailableError
from postgres import Postgres
from supervisor import FailedError, Program, StoppedError, Supervisor, say

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
LAST_PORT = 65535
READY_SECONDS = 60.0
DRAIN_SECONDS = "0"  # no load balancer has to learn that a part stops
ASK_SECONDS = 0.5  # each question adds a line to three logs
# The environment may name a proxy, which must not be asked.
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main() -> None:
    """Run until a signal asks for the end (exit code 0) or something fails (1 and a sentence)."""
    end_with_make()
    os.umask(0o077)  # only their owner may read the data
    try:
        refuse_arguments()
        folder, port = data_folder(), gateway_port()
        with data.held(folder) as lock:
            supervise(Supervisor(keep_open=[lock]), folder, port)
    except (FailedError, OSError) as error:
        sys.exit(f"make run: {error}")


def end_with_make() -> None:
    """Ask for SIGTERM at the end of make, if make started this process."""
    if "MAKELEVEL" in os.environ:
        ask_for_signal(signal.SIGTERM, os.getppid())


def refuse_arguments() -> None:
    if sys.argv[1:]:
        raise FailedError(
            f"There is no argument {sys.argv[1]}: settings are variables, such as INKWELL_DATA."
        )


def data_folder() -> Path:
    return Path(os.environ.get("INKWELL_DATA") or ROOT / ".data").resolve()


def sqlite_url(file: Path) -> str:
    """Return the URL of a file, whatever characters its path has."""
    return URL.create("sqlite", database=str(file)).render_as_string()


def supervise(supervisor: Supervisor, folder: Path, port: int) -> None:
    """Start everything, watch it, and at the end stop it in order, also after a failure."""
    supervisor.listen_to_signals()
    try:
        start(supervisor, folder, port)
        announce(port)
        supervisor.watch()
    except StoppedError:
        say("\nStopping the gateway, the services and the database (at once with another Ctrl-C).")
    finally:
        supervisor.stop()
    say("Stopped.")


def start(supervisor: Supervisor, folder: Path, port: int) -> None:
    """Start the database, migrate, then start the services and the gateway."""
    blog_port, platform_port, database_port, metrics_port = free_ports(4)
    data.make_secrets(supervisor, folder)
    blog = blog_settings(folder, blog_port, platform_port)
    platform = platform_settings(folder, platform_port)
    platform |= platform_database(supervisor, folder, database_port)
    say("Migrating the databases.")
    supervisor.run(
        part("blog-service", "blog_service.migrate", blog),
        part("platform-service", "platform_service.migrate", platform),
    )
    say("Starting the services.")
    supervisor.start(
        part("blog-service", "blog_service", blog),
        part("platform-service", "platform_service", platform),
    )
    wait_for(supervisor, "The start of the services", blog_port, platform_port)
    say("Starting the gateway.")  # now, since it warns of a service that it does not reach
    gateway = gateway_settings(port, metrics_port, blog_port, platform_port)
    supervisor.start(part("gateway", "gateway", gateway))
    wait_for(supervisor, "The start of the gateway", port)


def wait_for(supervisor: Supervisor, what: str, *ports: int) -> None:
    supervisor.wait_until(lambda: all(map(is_ready, ports)), what, READY_SECONDS, ASK_SECONDS)


def part(name: str, module: str, settings: Mapping[str, str]) -> Program:
    """Return the program of a part. It runs in its folder, where Python finds its package."""
    return Program(name, [sys.executable, "-m", module], ROOT / name, settings)


def blog_settings(folder: Path, port: int, platform_port: int) -> dict[str, str]:
    return {
        "BLOG_HOST": HOST,
        "BLOG_PORT": str(port),
        "BLOG_DATABASE_URL": sqlite_url(folder / "blog.db"),
        "BLOG_KEYS_URL": f"http://{HOST}:{platform_port}/.well-known/jwks.json",
        **given_or(
            BLOG_TOKEN_ISSUER=given("PLATFORM_TOKEN_ISSUER"),
            BLOG_TOKEN_AUDIENCE=given("PLATFORM_TOKEN_AUDIENCE"),
            BLOG_DRAIN_SECONDS=DRAIN_SECONDS,
        ),
    }


def platform_settings(folder: Path, port: int) -> dict[str, str]:
    return {
        "PLATFORM_HOST": HOST,
        "PLATFORM_PORT": str(port),
        "PLATFORM_SIGNING_KEY_FILE": str(data.signing_key(folder)),
        "MALLOC_MMAP_THRESHOLD_": "1048576",  # returns the memory of password hashes
        **given_or(PLATFORM_DRAIN_SECONDS=DRAIN_SECONDS),
    }


def platform_database(supervisor: Supervisor, folder: Path, port: int) -> dict[str, str]:
    """Start PostgreSQL, or choose SQLite where PostgreSQL cannot run; return the settings."""
    password = data.database_password(folder)
    try:
        postgres = Postgres(folder / "postgres", password, port)
    except UnavailableError as reason:
        say(f"The platform uses SQLite, because {reason}.")
        return {"PLATFORM_DATABASE_URL": sqlite_url(folder / "platform.db")}
    say("Starting PostgreSQL.")
    postgres.start(supervisor)
    return {
        "PLATFORM_DATABASE_URL": postgres.url,
        "PLATFORM_DATABASE_PASSWORD_FILE": str(password),
    }


def gateway_settings(
    port: int, metrics_port: int, blog_port: int, platform_port: int
) -> dict[str, str]:
    return {
        "GATEWAY_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "GATEWAY_BLOG_SERVICE_URL": f"http://{HOST}:{blog_port}",
        "GATEWAY_PLATFORM_SERVICE_URL": f"http://{HOST}:{platform_port}",
        # A free port lets several systems run side by side.
        **given_or(GATEWAY_METRICS_PORT=str(metrics_port), GATEWAY_DRAIN_SECONDS=DRAIN_SECONDS),
        **routes_file(),
    }


def routes_file() -> dict[str, str]:
    """Return the file of routes with its whole path, since the gateway runs in another folder."""
    file = given("GATEWAY_ROUTES_FILE")
    return {"GATEWAY_ROUTES_FILE": str(Path(file).resolve())} if file else {}


def given_or(**defaults: str) -> dict[str, str]:
    """Return the variables as the environment has them, or else their defaults."""
    return {name: given(name) or value for name, value in defaults.items()}


def given(name: str) -> str:
    """Return a variable as the parts understand it: the address of a Service counts as unset."""
    value = os.environ.get(name, "")
    return "" if is_service_link(value) else value


def gateway_port() -> int:
    """Return the port to use. Raise FailedError if it is no number or not free."""
    wanted = given("GATEWAY_PORT") or "8000"
    if not (wanted.isdecimal() and 0 < int(wanted) <= LAST_PORT):
        raise FailedError(f"GATEWAY_PORT must be a number from 1 to 65535, not {wanted!r}.")
    try:
        socket.create_server((HOST, int(wanted))).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise FailedError(
            f"Port {wanted} of {HOST} is not free ({reason}): "
            "name another one, as in GATEWAY_PORT=8080 make run."
        ) from error
    return int(wanted)


def is_ready(port: int) -> bool:
    """Return whether a part and all that it needs are up."""
    try:
        with DIRECTLY.open(f"http://{HOST}:{port}/readyz", timeout=5) as answer:
            checks = json.load(answer)["checks"]
    except (OSError, ValueError):  # not listening yet, or 503
        return False
    return set(checks.values()) == {"up"}


def announce(port: int) -> None:
    url = f"http://{HOST}:{port}"
    say(
        f"\nInkwell is running at {url} (documentation: {url}/docs). Ctrl-C stops it. Try:\n\n"
        f"  curl '{url}/articles/?limit=5'\n"
    )


if __name__ == "__main__":
    main()
