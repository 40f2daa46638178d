"""Pieces of models: moments in UTC on every database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.dialects import sqlite

from chassis.models import UtcDateTime

MOMENT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def test_a_moment_without_a_time_zone_is_in_utc() -> None:
    read = UtcDateTime().process_result_value
    assert read(MOMENT.replace(tzinfo=None), sqlite.dialect()) == MOMENT
    assert read(MOMENT, sqlite.dialect()) == MOMENT
    assert read(None, sqlite.dialect()) is None


def test_a_moment_that_the_database_sets_is_now_and_shown_in_utc(
    write_note: Callable[..., dict[str, Any]],
) -> None:
    shown = write_note()["created_at"]
    assert shown.endswith("Z")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(shown)) < timedelta(minutes=5)
