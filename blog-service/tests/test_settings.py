"""The settings: what is wrong with them is one sentence."""

import re
from pathlib import Path

import httpx
import pytest
from conftest import BLOG

from blog_service.config import PART, Settings
from chassis.settings import load_settings
from chassis_testing.running import find_url, finish

SETTINGS = [
    ("BLOG_PORT", "http"),
    ("BLOG_PORT", "65536"),
    ("BLOG_PORT", "-1"),
    ("BLOG_DRAIN_SECONDS", "-1"),
    ("BLOG_DRAIN_SECONDS", "soon"),
    ("BLOG_DATABASE_URL", "nonsense"),
    ("BLOG_DATABASE_URL", ""),
    ("BLOG_DATABASE_URL", "sqlite://"),
    ("BLOG_DATABASE_URL", "sqlite:///:memory:"),
    ("BLOG_DATABASE_URL", "sqlite:////nowhere/at/all/blog.db"),
    ("BLOG_DATABASE_URL", "postgresql://user@localhost/blog"),
]


@pytest.mark.parametrize(("name", "value"), SETTINGS)
def test_a_bad_setting_is_one_sentence_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        load_settings(Settings, PART)
    assert re.fullmatch(rf"blog-service: {name}: [^\n]+\.", str(end.value.code))


@pytest.mark.parametrize("module", ["blog_service", "blog_service.migrate"])
def test_a_bad_setting_stops_the_start_without_a_traceback(tmp_path: Path, module: str) -> None:
    code, out, err = finish(BLOG.start(tmp_path, module, BLOG_DATABASE_URL="nonsense"))
    assert (code, out) == (1, "")
    assert re.fullmatch(r"blog-service: BLOG_DATABASE_URL: [^\n]+\.\n", err)


def test_without_settings_the_database_is_a_file_in_the_folder(tmp_path: Path) -> None:
    with BLOG.process(tmp_path) as (_, url):
        assert httpx.post(f"{url}/posts", json={"title": "x"}, trust_env=False).status_code == 201
    assert (tmp_path / "blog.db").exists()


def test_uvicorn_alone_is_enough_to_try_it(tmp_path: Path) -> None:
    with BLOG.start(tmp_path, "uvicorn", "blog_service.main:app", "--port", "0") as running:
        try:
            url = find_url(running, running.stderr)
            assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
            assert httpx.get(f"{url}/posts/", trust_env=False).json() == []
        finally:
            running.terminate()
    assert (tmp_path / "blog.db").exists()
