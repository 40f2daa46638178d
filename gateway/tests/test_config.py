"""The GATEWAY_ variables."""

import pytest

from chassis.settings import load_settings
from gateway.config import Settings
from gateway.routes import load_routes


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TRUSTED_PROXIES", "10.0.0.0/8, ::1, proxy.example,")
    monkeypatch.setenv("GATEWAY_CORS_ORIGINS", "https://a.example")
    settings = load_settings(Settings)
    trusted = [str(it) for it in settings.trusted_proxies]
    assert trusted == ["10.0.0.0/8", "::1/128", "proxy.example"]
    assert settings.cors_origins == ("https://a.example",)


def test_addresses_of_kubernetes_services_are_no_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GATEWAY_PORT", "GATEWAY_METRICS_PORT"):
        monkeypatch.setenv(name, "tcp://10.96.12.3:80")
    settings = load_settings(Settings)
    assert (settings.port, settings.metrics_port) == (8000, 9090)


BAD_VARIABLES = [
    ("GATEWAY_PORT", "x"),
    ("GATEWAY_PORT", "99999"),
    ("GATEWAY_RATE_LIMIT", "perhaps"),
    ("GATEWAY_TRUSTED_PROXIES", "10.0.0.0/99"),
    ("GATEWAY_TRUSTED_PROXIES", "10.0.0.256"),
    ("GATEWAY_TRUSTED_PROXIES", "proxy:80"),
    ("GATEWAY_ROUTES_FILE", "/nowhere.toml"),
    ("GATEWAY_BLOG_SERVICE_URL", "ftp://x"),
    ("GATEWAY_BLOG_SERVICE_URL", "https://x"),
    ("GATEWAY_BLOG_SERVICE_URL", "http://x:99999"),
    ("GATEWAY_BLOG_SERVICE_URL", "http://[192.0.2.1]"),
    ("GATEWAY_RATE_LIMIT_STORE", "nonsense://"),
    ("GATEWAY_RATE_LIMIT_STORE", "memcached://x"),
    ("GATEWAY_CORS_ORIGINS", "nonsense"),
    ("GATEWAY_CORS_ORIGINS", "https://a.example.com/path"),
    ("GATEWAY_DRAIN_SECONDS", "61"),
]


@pytest.mark.parametrize(("name", "value"), BAD_VARIABLES)
def test_a_bad_variable_ends_the_start_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as error:
        load_routes(load_settings(Settings).routes_file)
    sentence = str(error.value)
    assert "\n" not in sentence
    assert sentence.startswith("gateway: ")
