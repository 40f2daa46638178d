"""The launcher of PostgreSQL that the tests of every part use."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from chassis_testing import postgres


def test_a_server_runs_until_its_block_ends(tmp_path: Path) -> None:
    with postgres.running(tmp_path) as url:
        postgres.administer(url, "CREATE DATABASE notes")
        postgres.administer(url.set(database="notes"), "CREATE TABLE notes ()")
    with pytest.raises(OperationalError):
        postgres.administer(url, "SELECT 1")


def test_the_password_is_needed_and_texts_are_sorted_by_code_point(tmp_path: Path) -> None:
    with postgres.running(tmp_path) as url:
        with pytest.raises(OperationalError):
            postgres.administer(url.set(password="another"), "SELECT 1")
        engine = create_engine(url.set(drivername="postgresql+psycopg2"))
        with engine.connect() as connection:
            sorted_texts = "SELECT x FROM (VALUES ('a'), ('B')) AS t (x) ORDER BY x"
            assert connection.scalars(text(sorted_texts)).all() == ["B", "a"]
        engine.dispose()


def test_a_program_that_is_missing_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "find_programs", lambda: tmp_path)
    with pytest.raises(postgres.UnavailableError, match="its server does not run here"):
        postgres.find_launcher(tmp_path)
