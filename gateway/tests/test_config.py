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


def test_bad_settings_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "99999")
    with pytest.raises(SystemExit, match="GATEWAY_PORT"):
        load_settings(Settings, PART)


def test_an_upstream_may_have_limits_of_its_own(tmp_path: Path) -> None:
    file = routes_file(tmp_path, "http://a", "http://b", defaults={"max_queue": 7})
    text = file.read_text().replace('url = "http://a"', 'url = "http://a"\nmax_queue = 3')
    file.write_text(text)
    upstreams = load_routes(file).upstreams
    assert [it.max_queue for it in upstreams.values()] == [3, 7]
