"""The GATEWAY_ variables."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import NoDecode

from chassis.settings import PartSettings

PART = "gateway"


def _split(value: Any) -> Any:
    return list(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/\s]+)$")]
CommaSeparated = (NoDecode, BeforeValidator(_split))


class Settings(PartSettings, env_prefix="GATEWAY_"):
    """The GATEWAY_ variables. Lists are separated by commas."""

    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(9090, ge=0, le=65535)
    routes_file: Path = Path(__file__).with_name("routes.toml")
    token_issuer: str = "inkwell-platform"
    token_audience: str = "inkwell"
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], *CommaSeparated] = ()
    cors_origins: Annotated[tuple[Origin, ...], *CommaSeparated] = ()
    rate_limit: Literal["on", "off"] = "on"
    rate_limit_store: str = Field("memory://", pattern=r"^(memory|rediss?|unix)://")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
