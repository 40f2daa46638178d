"""The settings, and the ways to start the service."""

import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from conftest import BLOG

from blog_service.config import Settings
from chassis.settings import load_settings
from chassis_testing.running import find_url, finish, signal_during_imports


@pytest.mark.parametrize(
    "value", ["nonsense", "platform-service:8000", "ftp://x/y", "http://", "file:///etc/passwd"]
)
def test_a_url_of_keys_that_is_none_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("BLOG_KEYS_URL", value)
    with pytest.raises(SystemExit) as end:
        load_settings(Settings)
    assert re.fullmatch(r"blog-service: BLOG_KEYS_URL[^\n]+\.", str(end.value.code))


@pytest.mark.parametrize("arguments", [["blog_service"], ["blog_service.migrate"]])
@pytest.mark.parametrize("bytes_kept", [0, 100])
def test_a_damaged_database_is_one_sentence(
    tmp_path: Path, arguments: list[str], bytes_kept: int
) -> None:
    file = tmp_path / "blog.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE kept (id INTEGER)")
    file.write_bytes(file.read_bytes()[:bytes_kept] + b"\xff" * 8192)
    code, out, err = finish(BLOG.start(tmp_path, *arguments))
    assert (code, out) == (1, "")
    assert re.fullmatch(
        r"blog-service: BLOG_DATABASE_URL names \S+blog\.db, .+ damaged: .+\.\n", err
    )


def test_without_settings_the_database_is_a_file_in_the_folder(tmp_path: Path) -> None:
    with BLOG.process(tmp_path) as (running, url):
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
        assert httpx.post(f"{url}/posts", json={"title": "x"}, trust_env=False).status_code == 201
        running.terminate()
        finish(running)
    assert (tmp_path / "blog.db").exists()


@pytest.mark.parametrize("command", ["blog_service", "blog_service.migrate"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_imports_ends_it_without_a_traceback(
    tmp_path: Path, command: str, number: signal.Signals
) -> None:
    starting = BLOG.start(tmp_path, command, PYTHONPROFILEIMPORTTIME="1")
    code, _, err = signal_during_imports(starting, number)
    assert (code, "Traceback" in err) == (-number, False), err


def test_uvicorn_alone_is_enough_to_try_it(tmp_path: Path) -> None:
    with BLOG.start(tmp_path, "uvicorn", "blog_service.main:app", "--port", "0") as running:
        try:
            url = find_url(running, running.stderr)
            assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
            assert httpx.get(f"{url}/posts/", trust_env=False).json() == []
        finally:
            running.terminate()
    assert (tmp_path / "blog.db").exists()
