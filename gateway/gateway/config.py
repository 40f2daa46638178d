"""What the gateway is told: GATEWAY_ variables and the file of routes."""

import os
import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from limits import RateLimitItem, parse
from pydantic import BaseModel, Field, HttpUrl, PositiveFloat, PositiveInt, ValidationError
from pydantic.functional_validators import AfterValidator, BeforeValidator, PlainValidator
from pydantic_settings import BaseSettings, NoDecode

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
READING = frozenset(("GET", "HEAD", "OPTIONS"))
MAX_BODY = 2 * 1024 * 1024  # bytes, where the file of routes says nothing else


def _listed(value: Any) -> Any:
    return list(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/\s]+)$")]
Listed = (NoDecode, BeforeValidator(_listed))


class Settings(BaseSettings, env_prefix="GATEWAY_", frozen=True):
    """The GATEWAY_ variables; lists are separated by commas."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(9090, ge=0, le=65535)
    routes_file: Path = Path(__file__).with_name("routes.toml")
    token_issuer: str = "inkwell-platform"
    token_audience: str = "inkwell"
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], *Listed] = ()
    cors_origins: Annotated[tuple[Origin, ...], *Listed] = ()
    rate_limit: Literal["on", "off"] = "on"
    rate_limit_store: str = Field("memory://", pattern=r"^(memory|rediss?|unix)://")
    drain_seconds: float = Field(2.0, ge=0, le=60)
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class Model(BaseModel, extra="forbid", frozen=True):
    """A table of the file of routes: nothing unknown, nothing changed later."""


class Upstream(Model):
    """A service behind the gateway; its name may resolve to several replicas."""

    # A text, which ends with the slash that a path begins with.
    url: Annotated[HttpUrl, AfterValidator(str), Field(pattern=r"^http://[^/?#@]+/$")]
    connect_timeout: PositiveFloat = 2.0
    first_byte_timeout: PositiveFloat = 30.0
    between_bytes_timeout: PositiveFloat = 30.0
    keep_alive: PositiveFloat = 1.5
    max_in_flight: PositiveInt = 128
    max_queue: int = Field(512, ge=0)
    queue_timeout: PositiveFloat = 5.0
    max_uploads: PositiveInt = 128


class Route(Model):
    """A path prefix and the upstream that answers it."""

    prefix: str = Field(pattern=r"^(/[A-Za-z0-9._~-]+)+$")
    upstream: str
    writes: Literal["anyone", "signed-in"] = "anyone"
    max_body: PositiveInt = MAX_BODY

    def needs_token(self, method: str) -> bool:
        """Tell whether only those who are signed in may call this method."""
        return self.writes == "signed-in" and method not in READING


class RateLimitRule(Model):
    """How often a client may ask for a path, by one method or all of them together."""

    method: str | None = None
    path: str
    limit: Annotated[RateLimitItem, PlainValidator(parse)]

    @property
    def name(self) -> str:
        """What clients and the store know it by."""
        return f"{self.method} {self.path}" if self.method else self.path


class Client(Model):
    """Limits of the clients' connections."""

    max_connections: PositiveInt = 1_024
    max_target: PositiveInt = 8_192
    max_headers: PositiveInt = 100
    max_header_bytes: PositiveInt = 32_768
    header_timeout: PositiveFloat = 10.0
    body_timeout: PositiveFloat = 20.0
    min_body_rate: PositiveInt = 1_000
    body_limit: PositiveFloat = 300.0
    keep_alive: PositiveFloat = 30.0
    send_timeout: PositiveFloat = 60.0


class Routes(Model):
    """The file of routes."""

    upstreams: dict[str, Upstream]
    routes: tuple[Route, ...]
    keys_from: str
    rate_limits: tuple[RateLimitRule, ...] = ()
    client: Client = Client()


def matcher(routes: Sequence[Route]) -> Callable[[bytes], Route | None]:
    """Return a function that finds the longest prefix of whole segments of a raw path."""
    by_prefix = {route.prefix.encode(): route for route in routes}
    longest_first = sorted(by_prefix, key=len, reverse=True)
    pattern = re.compile(b"(?:%b)(?![^/])" % b"|".join(map(re.escape, longest_first)))

    def match(raw_path: bytes) -> Route | None:
        found = pattern.match(raw_path)
        return by_prefix.get(found[0]) if found else None

    return match


def load_settings() -> Settings:
    """Read the variables, or end the process with one sentence."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = error.errors()[0]
        name = str(wrong["loc"][0]).upper()
        sys.exit(f"gateway: GATEWAY_{name}: {wrong['msg']}.")


def load_routes(path: Path) -> Routes:
    """Read the file of routes, or end the process with one sentence."""
    try:
        table = Routes.model_validate(_completed(tomllib.loads(path.read_text("utf-8"))))
    except ValidationError as error:
        wrong = error.errors()[0]
        key = ".".join(map(str, wrong["loc"]))
        sys.exit(f"gateway: {path}: {key}: {wrong['msg']}.")
    except (OSError, ValueError) as error:
        sys.exit(f"gateway: {path}: {getattr(error, 'strerror', None) or error}.")
    for name in (table.keys_from, *(route.upstream for route in table.routes)):
        if name not in table.upstreams:
            sys.exit(f'gateway: {path}: no upstream is named "{name}".')
    if len({route.prefix for route in table.routes}) < len(table.routes):
        sys.exit(f"gateway: {path}: routes: a prefix is there twice.")
    return table


def _completed(table: dict[str, Any]) -> dict[str, Any]:
    """Give each upstream the defaults, and its URL from GATEWAY_<UPSTREAM>_URL if that is set."""
    defaults, upstreams = table.pop("defaults", {}), table.get("upstreams")
    if not isinstance(defaults, dict) or not isinstance(upstreams, dict):
        raise ValueError("upstreams and defaults must be tables")  # noqa: TRY004 - as of TOML
    for name, upstream in upstreams.items():
        url = os.environ.get(f"GATEWAY_{name.upper().replace('-', '_')}_URL")
        if isinstance(upstream, dict):
            upstreams[name] = defaults | upstream | ({"url": url} if url else {})
    return table
