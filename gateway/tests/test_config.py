"""Settings and the file of routes."""

import re
from pathlib import Path

import pytest
from support.gateway import routes_file

from chassis.settings import load_settings
from gateway.config import PART, Settings
from gateway.routes import load_routes

PREFIX_WITH_SLASH = """
keys_from = "a"
upstreams.a.url = "http://a"
routes = [{ prefix = "/a/", upstream = "a" }]
"""
PREFIX_TWICE = """
keys_from = "a"
upstreams.a.url = "http://a"
routes = [
    { prefix = "/a", upstream = "a", writes = "signed-in" },
    { prefix = "/a", upstream = "a" },
]
"""
BAD_FILES = [
    ("not toml at all", "line 1"),
    ("", "upstreams"),
    ('keys_from = "a"\nroutes = []\nnonsense = 1\n[upstreams.a]\nurl = "http://a"', "nonsense"),
    ('keys_from = "b"\nroutes = []\n[upstreams.a]\nurl = "http://a"', '"b"'),
    ('keys_from = "a"\nroutes = []\n[upstreams.a]\nurl = "http://a/path"', "upstreams.a.url"),
    ('keys_from = "a"\nroutes = []\nupstreams = 3', "upstreams"),
    ('keys_from = "a"\nroutes = []\ndefaults = 3\n[upstreams]\na = 3', "upstreams"),
    (PREFIX_WITH_SLASH, "routes.0.prefix"),
    (PREFIX_TWICE, "routes"),
]


@pytest.mark.parametrize(("text", "named"), BAD_FILES)
def test_a_bad_file_of_routes_is_named_by_its_key(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "routes.toml"
    file.write_text(text)
    with pytest.raises(SystemExit, match=re.escape(named)) as error:
        load_routes(file)
    assert "\n" not in str(error.value)


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TRUSTED_PROXIES", "10.0.0.0/8, ::1,")
    monkeypatch.setenv("GATEWAY_CORS_ORIGINS", "https://a.example")
    settings = load_settings(Settings, PART)
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert settings.cors_origins == ("https://a.example",)


BAD_VARIABLES = [
    ("GATEWAY_PORT", "x"),
    ("GATEWAY_PORT", "99999"),
    ("GATEWAY_RATE_LIMIT", "perhaps"),
    ("GATEWAY_TRUSTED_PROXIES", "10.0.0.0/99"),
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
        load_routes(load_settings(Settings, PART).routes_file)
    sentence = str(error.value)
    assert "\n" not in sentence
    assert sentence.startswith("gateway: ")


def test_an_upstream_may_have_limits_of_its_own(tmp_path: Path) -> None:
    file = routes_file(tmp_path, "http://a", "http://b", defaults={"max_queue": 7})
    text = file.read_text().replace('url = "http://a"', 'url = "http://a"\nmax_queue = 3')
    file.write_text(text)
    upstreams = load_routes(file).upstreams
    assert [it.max_queue for it in upstreams.values()] == [3, 7]
