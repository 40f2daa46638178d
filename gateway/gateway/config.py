"""The GATEWAY_ variables."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.functional_validators import PlainValidator

from chassis.settings import CommaSeparated, Hosts, PartSettings

# With a letter, so that no mistyped address is one.
HOST_NAME = re.compile(r"(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_][A-Za-z0-9._-]*")


def _trusted_proxy(value: object) -> IPv4Network | IPv6Network | str:
    """Return the network or the name of a host that a string stands for."""
    try:
        return ip_network(str(value))
    except ValueError:
        if HOST_NAME.fullmatch(str(value)):
            return str(value)
    raise ValueError("must hold addresses, networks or names of hosts, separated by commas")


TrustedProxy = Annotated[IPv4Network | IPv6Network | str, PlainValidator(_trusted_proxy)]
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/\s]+)$")]


class Settings(PartSettings, env_prefix="GATEWAY_"):
    """The GATEWAY_ variables. Lists are separated by commas."""

    part = "gateway"

    metrics_host: Hosts = ("127.0.0.1",)
    metrics_port: int = Field(9090, ge=0, le=65535)
    routes_file: Path = Path(__file__).with_name("routes.toml")
    trusted_proxies: Annotated[tuple[TrustedProxy, ...], *CommaSeparated] = ()
    cors_origins: Annotated[tuple[Origin, ...], *CommaSeparated] = ()
    rate_limit: Literal["on", "off"] = "on"
    rate_limit_store: str = Field("memory://", pattern=r"^(memory|rediss?|unix)://")
    public_url: str = Field("", pattern=r"^(https?://\S+)?$")
