"""The settings and the secrets: what is wrong with them is one sentence."""

import re
import stat
from pathlib import Path

import httpx
import pytest
from conftest import settings_for
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from running import find_url, finish, process, start
from sqlalchemy import URL

from platform_service.config import load_settings
from platform_service.keys import read_private_keys
from platform_service.make_secrets import make_secrets, put_new_key


def given(url: URL) -> str:
    return url.render_as_string(hide_password=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PLATFORM_PORT", "http"),
        ("PLATFORM_PORT", "65536"),
        ("PLATFORM_DRAIN_SECONDS", "-1"),
        ("PLATFORM_DATABASE_URL", "nonsense"),
        ("PLATFORM_DATABASE_URL", ""),
        ("PLATFORM_DATABASE_URL", "mysql://user@localhost/platform"),
        ("PLATFORM_DATABASE_URL", "postgresql+asyncpg://user@localhost/platform"),
        ("PLATFORM_DATABASE_PASSWORD_FILE", "/nowhere/at/all"),
        ("PLATFORM_DATABASE_PASSWORD_FILE", "/"),
        ("PLATFORM_DATABASE_PASSWORD_FILE", "/dev/null"),
        ("PLATFORM_SIGNING_KEY_FILE", "/nowhere/at/all"),
        ("PLATFORM_SIGNING_KEY_FILE", "/dev/null"),
    ],
)
def test_a_bad_setting_is_one_sentence_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("PLATFORM_DATABASE_URL", "sqlite:///x.db")
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        load_settings()
    assert re.fullmatch(rf"platform-service: {name} [^\n]+\.", str(end.value.code))


def test_a_missing_setting_is_one_sentence_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATFORM_DATABASE_URL", raising=False)
    with pytest.raises(SystemExit, match=r"^platform-service: PLATFORM_DATABASE_URL is missing\.$"):
        load_settings()


def test_a_missing_setting_stops_the_start_without_a_traceback(tmp_path: Path) -> None:
    code, out, err = finish(start(tmp_path, "platform_service.migrate"))
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
    code, out, err = finish(start(tmp_path, "platform_service", **settings))
    assert code == 1
    assert re.fullmatch(r"platform-service: PLATFORM_SIGNING_KEY_FILE [^\n]+\.\n", err), out


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_the_password_may_stand_in_a_file(database_url: URL, tmp_path: Path) -> None:
    (file := tmp_path / "password").write_text(f"{database_url.password or 'none'}\n")
    settings = {
        "PLATFORM_DATABASE_URL": given(database_url.set(password=None)),
        "PLATFORM_DATABASE_PASSWORD_FILE": str(file),
    }
    with process(tmp_path, **settings) as (_, url):
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_a_postgresql_url_means_psycopg2(scheme: str) -> None:
    url = settings_for(URL.create(scheme, "user", host="host", database="name")).full_database_url
    assert given(url) == "postgresql+psycopg2://user@host/name"


def test_secrets_are_made_once_and_never_overwritten(tmp_path: Path) -> None:
    password, key = tmp_path / "password", tmp_path / "key.pem"
    make_secrets(password, key)
    made = password.read_bytes(), key.read_bytes()
    make_secrets(password, key)
    assert (password.read_bytes(), key.read_bytes()) == made
    assert len(made[0]) >= 32
    assert stat.S_IMODE(key.stat().st_mode) == 0o400
    assert {file.name for file in tmp_path.iterdir()} == {"password", "key.pem"}
    assert isinstance(load_pem_private_key(made[1], None), Ed25519PrivateKey)


def test_many_that_make_secrets_at_once_make_the_same(tmp_path: Path) -> None:
    arguments = (str(tmp_path / "password"), str(tmp_path / "key.pem"))
    jobs = [start(tmp_path, "platform_service.make_secrets", *arguments) for _ in range(4)]
    assert [finish(job)[0] for job in jobs] == [0] * 4
    assert {file.name for file in tmp_path.iterdir()} == {"password", "key.pem"}


def test_a_new_key_stands_before_the_last_one_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    make_secrets(tmp_path / "password", file)
    (first,) = read_private_keys(file)
    put_new_key(file)
    second, kept = read_private_keys(file)
    put_new_key(file)
    third, last = read_private_keys(file)
    raw = [key.private_bytes_raw() for key in (first, second, third)]
    assert (kept.private_bytes_raw(), last.private_bytes_raw()) == (raw[0], raw[1])
    assert len(set(raw)) == 3
    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key.pem", "password"]


def test_uvicorn_alone_is_enough_to_try_it_on_sqlite(tmp_path: Path) -> None:
    database = {"PLATFORM_DATABASE_URL": "sqlite:///platform.db"}
    command = ("uvicorn", "platform_service.main:app", "--port", "0")
    with start(tmp_path, *command, **database) as running:
        try:
            url = find_url(running, running.stderr)
            assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
            assert httpx.get(f"{url}/articles/", trust_env=False).json() == []
        finally:
            running.terminate()
