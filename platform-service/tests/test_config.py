"""The settings: an invalid one is one sentence. And the ways to start the service."""

import re
import signal
from pathlib import Path

import httpx
import pytest
from conftest import PLATFORM
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from sqlalchemy import URL

from chassis.settings import load_settings
from chassis_testing.running import find_url, finish, signal_during_imports
from chassis_testing.service import rendered
from platform_service.config import Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PLATFORM_DATABASE_URL", "nonsense"),
        ("PLATFORM_DATABASE_URL", "sqlite://"),
        ("PLATFORM_DATABASE_URL", "sqlite:////nowhere/at/all/platform.db"),
        ("PLATFORM_DATABASE_URL", "mysql://user@localhost/platform"),
        ("PLATFORM_DATABASE_URL", "postgresql+asyncpg://user@localhost/platform"),
        ("PLATFORM_DATABASE_PASSWORD_FILE", "/nowhere/at/all"),
        ("PLATFORM_DATABASE_PASSWORD_FILE", "/"),
        ("PLATFORM_DATABASE_PASSWORD_FILE", "/dev/null"),
        ("PLATFORM_SIGNING_KEY_FILE", "/nowhere/at/all"),
        ("PLATFORM_SIGNING_KEY_FILE", "/dev/null"),
        ("PLATFORM_SHOW_EMAILS", "nobody"),
        ("PLATFORM_SHOW_EMAILS", "Everyone"),
    ],
)
def test_a_bad_setting_is_one_sentence_that_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    monkeypatch.setenv("PLATFORM_DATABASE_URL", f"sqlite:///{tmp_path}/platform.db")
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        load_settings(Settings)
    assert re.fullmatch(rf"platform-service: {name}:? [^\n]+\.", str(end.value.code))


def test_a_missing_setting_is_one_sentence_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATFORM_DATABASE_URL", raising=False)
    with pytest.raises(SystemExit, match=r"^platform-service: PLATFORM_DATABASE_URL is missing\.$"):
        load_settings(Settings)


def test_a_missing_setting_stops_the_start_without_a_traceback(tmp_path: Path) -> None:
    code, out, err = finish(PLATFORM.start(tmp_path, "platform_service.migrate"))
    assert (code, out) == (1, "")
    assert err == "platform-service: PLATFORM_DATABASE_URL is missing.\n"


P256 = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)


@pytest.mark.parametrize(
    "content", [b"no key", b"\xff\xfe", P256, P256[:100] + P256[-30:]], ids=lambda it: str(it)[:9]
)
def test_a_bad_key_file_stops_the_start_without_a_traceback(tmp_path: Path, content: bytes) -> None:
    (file := tmp_path / "keys.pem").write_bytes(content)
    url = f"sqlite:///{tmp_path}/platform.db"
    settings = {"PLATFORM_DATABASE_URL": url, "PLATFORM_SIGNING_KEY_FILE": str(file)}
    code, out, err = finish(PLATFORM.start(tmp_path, "platform_service", **settings))
    assert code == 1
    assert re.fullmatch(r"platform-service: PLATFORM_SIGNING_KEY_FILE [^\n]+\.\n", err), out


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_the_password_may_stand_in_a_file(database_url: URL, tmp_path: Path) -> None:
    (file := tmp_path / "password").write_text(f"{database_url.password or 'none'}\n")
    settings = {
        "PLATFORM_DATABASE_URL": rendered(database_url.set(password=None)),
        "PLATFORM_DATABASE_PASSWORD_FILE": str(file),
    }
    with PLATFORM.process(tmp_path, **settings) as (_, url):
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_a_postgresql_url_means_psycopg2(scheme: str) -> None:
    url = URL.create(scheme, "user", host="host", database="name")
    assert PLATFORM.settings_for(url).database_url == "postgresql+psycopg2://user@host/name"


@pytest.mark.parametrize("command", ["platform_service", "platform_service.migrate"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_imports_ends_it_without_a_traceback(
    tmp_path: Path, command: str, number: signal.Signals
) -> None:
    starting = PLATFORM.start(
        tmp_path, command, PYTHONPROFILEIMPORTTIME="1", PLATFORM_DATABASE_URL="sqlite:///x.db"
    )
    code, _, err = signal_during_imports(starting, number)
    assert (code, "Traceback" in err) == (-number, False), err


def test_uvicorn_alone_is_enough_to_try_it_on_sqlite(tmp_path: Path) -> None:
    database = {"PLATFORM_DATABASE_URL": "sqlite:///platform.db"}
    command = ("uvicorn", "platform_service.main:app", "--port", "0")
    with PLATFORM.start(tmp_path, *command, **database) as running:
        try:
            url = find_url(running, running.stderr)
            assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
            assert httpx.get(f"{url}/articles/", trust_env=False).json() == []
        finally:
            running.terminate()
