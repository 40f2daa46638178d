"""Settings: an invalid one is one sentence that names its variable."""

import re
from pathlib import Path

import pytest
from conftest import SAMPLE
from pydantic import ValidationError
from sample import Settings

from chassis.settings import load_settings
from chassis_testing.running import finish


@pytest.fixture(autouse=True)
def only_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLE_DATABASE_URL", "sqlite:///sample.db")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAMPLE_PORT", "http"),
        ("SAMPLE_PORT", "http://10.96.12.3:8000"),
        ("SAMPLE_PORT", "65536"),
        ("SAMPLE_PORT", "-1"),
        ("SAMPLE_HOST", ","),
        ("SAMPLE_DRAIN_SECONDS", "-1"),
        ("SAMPLE_DRAIN_SECONDS", "61"),
        ("SAMPLE_DRAIN_SECONDS", "nan"),
        ("SAMPLE_DRAIN_SECONDS", "soon"),
        ("SAMPLE_LOG_LEVEL", "loud"),
    ],
)
def test_an_invalid_setting_is_one_sentence_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        load_settings(Settings)
    assert re.fullmatch(rf"sample: {name}:? [^\n]+\.", str(end.value.code))


def test_a_missing_setting_is_one_sentence_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAMPLE_DATABASE_URL")
    with pytest.raises(SystemExit, match=r"^sample: SAMPLE_DATABASE_URL is missing\.$"):
        load_settings(Settings)


def test_a_part_has_defaults_and_takes_its_own_variables_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("SAMPLE_HOST", "127.0.0.1, ::1")
    monkeypatch.setenv("SAMPLE_LOG_LEVEL", "INFO")
    settings = load_settings(Settings)
    assert (settings.port, settings.drain_seconds) == (8000, 2)
    assert settings.host == ("127.0.0.1", "::1")
    assert settings.log_level == "info"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SAMPLE_HOST", "SAMPLE_PORT", "SAMPLE_DRAIN_SECONDS"):
        monkeypatch.setenv(name, "")
    settings = load_settings(Settings)
    assert (settings.host, settings.port, settings.drain_seconds) == (("127.0.0.1",), 8000, 2)


@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
def test_the_address_of_a_kubernetes_service_is_no_port(
    monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    monkeypatch.setenv("SAMPLE_PORT", f"{protocol}://10.96.12.3:80")
    monkeypatch.setenv("SAMPLE_SERVICE_HOST", "10.96.12.3")
    monkeypatch.setenv("SAMPLE_SERVICE_PORT", "80")
    monkeypatch.setenv("SAMPLE_PORT_80_TCP_ADDR", "10.96.12.3")
    assert load_settings(Settings).port == 8000


def test_settings_cannot_change() -> None:
    settings = load_settings(Settings)
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


@pytest.mark.parametrize("arguments", [[], ["migrate"]])
def test_an_invalid_setting_stops_the_start_without_a_traceback(
    tmp_path: Path, arguments: list[str]
) -> None:
    code, out, err = finish(SAMPLE.start(tmp_path, "sample", *arguments, SAMPLE_PORT="http"))
    assert (code, out) == (1, "")
    assert re.fullmatch(r"sample: SAMPLE_[A-Z_]+:? [^\n]+\.\n", err)
