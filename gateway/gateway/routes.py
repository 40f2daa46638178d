"""The routes file: which upstream answers which path, and what requests may cost."""

import os
import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, Field, HttpUrl, PositiveFloat, PositiveInt, ValidationError
from pydantic.functional_validators import AfterValidator, PlainValidator

from chassis.bodies import BODY_LIMIT

SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
QUOTA = re.compile(rf"([1-9][0-9]{{0,8}})/({'|'.join(SECONDS)})")


class Table(BaseModel, extra="forbid", frozen=True):
    """A table of the file. An unknown key is an error."""


class UpstreamLimits(Table):
    """A service behind the gateway and its limits. Its name may resolve to several replicas."""

    # A string with a slash at its end, where the path begins.
    url: Annotated[HttpUrl, AfterValidator(str), Field(pattern=r"^http://[^/?#@]+/$")]
    connect_timeout: PositiveFloat = 2.0
    first_byte_timeout: PositiveFloat = 30.0
    between_bytes_timeout: PositiveFloat = 30.0
    keep_alive: PositiveFloat = 1.5
    max_in_flight: PositiveInt = 256
    max_queue: int = Field(1_024, ge=0)
    queue_timeout: PositiveFloat = 5.0
    max_uploads: PositiveInt = 128


class Route(Table):
    """A path prefix and the upstream that answers it."""

    prefix: str = Field(pattern=r"^(/[A-Za-z0-9._~-]+)+$")
    upstream: str
    max_body: PositiveInt = BODY_LIMIT


class Quota(NamedTuple):
    """A number of requests in a number of seconds."""

    requests: int
    seconds: int


def parse_quota(text: object) -> Quota:
    """Return the quota that a string like "10/minute" stands for."""
    if match := QUOTA.fullmatch(str(text)):
        return Quota(int(match[1]), SECONDS[match[2]])
    raise ValueError(f'must be a number and one of {", ".join(SECONDS)}, as in "10/minute"')


class RateLimitRule(Table):
    """A limit on how often a client may request a path, by one method or by all together."""

    method: str | None = None
    path: str
    limit: Annotated[Quota, PlainValidator(parse_quota)]

    @property
    def name(self) -> str:
        """The rule's name for clients and in the store."""
        return f"{self.method} {self.path}" if self.method else self.path


class ClientLimits(Table):
    """Limits of the clients' connections."""

    max_connections: PositiveInt = 1_024
    max_connections_per_client: PositiveInt = 512
    max_target: PositiveInt = 8_192
    max_headers: PositiveInt = 100
    max_header_bytes: PositiveInt = 32_768
    header_timeout: PositiveFloat = 10.0
    body_timeout: PositiveFloat = 20.0
    min_body_rate: PositiveInt = 1_000
    body_limit: PositiveFloat = 300.0
    keep_alive: PositiveFloat = 30.0
    send_timeout: PositiveFloat = 60.0


class Routes(Table):
    """The whole file."""

    upstreams: dict[str, UpstreamLimits]
    routes: tuple[Route, ...]
    rate_limits: tuple[RateLimitRule, ...] = ()
    client: ClientLimits = ClientLimits()


def matcher(routes: Sequence[Route]) -> Callable[[bytes], Route | None]:
    """Return a function that finds the route whose prefix has the most segments of a raw path."""
    by_prefix = {route.prefix.encode(): route for route in routes}
    longest_first = sorted(by_prefix, key=len, reverse=True)
    pattern = re.compile(b"(?:%b)(?![^/])" % b"|".join(map(re.escape, longest_first)))

    def match(raw_path: bytes) -> Route | None:
        found = pattern.match(raw_path)
        return by_prefix.get(found[0]) if found else None

    return match


def load_routes(path: Path) -> Routes:
    """Return the contents of the file, or end the process with one sentence."""
    try:
        table = Routes.model_validate(_complete(tomllib.loads(path.read_text("utf-8"))))
    except ValidationError as error:
        wrong = error.errors()[0]
        key, reason = ".".join(map(str, wrong["loc"])), wrong["msg"]
        if wrong["type"] == "extra_forbidden":
            reason = "There is no such key"
        sys.exit(f"gateway: {path}: {key}: {reason}.")
    except (OSError, ValueError) as error:
        sys.exit(f"gateway: {path}: {getattr(error, 'strerror', None) or error}.")
    for route in table.routes:
        if route.upstream not in table.upstreams:
            sys.exit(f'gateway: {path}: no upstream is named "{route.upstream}".')
    if len({route.prefix for route in table.routes}) < len(table.routes):
        sys.exit(f"gateway: {path}: routes: a prefix appears twice.")
    return table


def _complete(table: dict[str, Any]) -> dict[str, Any]:
    """Add the defaults to each upstream, and its URL from GATEWAY_<UPSTREAM>_URL if that is set."""
    defaults, upstreams = table.pop("defaults", {}), table.get("upstreams")
    if not isinstance(defaults, dict) or not isinstance(upstreams, dict):
        raise ValueError("upstreams and defaults must be tables")  # noqa: TRY004 - a TOML error
    for name, upstream in upstreams.items():
        url = os.environ.get(f"GATEWAY_{name.upper().replace('-', '_')}_URL")
        if isinstance(upstream, dict):
            upstreams[name] = defaults | upstream | ({"url": url} if url else {})
    return table
