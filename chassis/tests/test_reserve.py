"""The reserve of disk space: it is there before it is needed, and does not fill a full disk."""

from pathlib import Path

import pytest

from chassis.reserve import SIZE, keep_reserve

MORE_THAN_ANY_DISK_HAS = 2**63


def test_a_reserve_takes_room_on_the_disk(tmp_path: Path) -> None:
    keep_reserve(tmp_path)
    (file,) = tmp_path.iterdir()
    assert (file.name, file.stat().st_size) == ("reserve", SIZE)
    assert file.stat().st_blocks * 512 >= SIZE


def test_a_reserve_that_is_there_is_kept(tmp_path: Path) -> None:
    keep_reserve(tmp_path, 3)
    before = (tmp_path / "reserve").read_bytes()
    keep_reserve(tmp_path, 5)
    assert (tmp_path / "reserve").read_bytes() == before


def test_no_reserve_is_made_where_room_is_scarce(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep_reserve(tmp_path, MORE_THAN_ANY_DISK_HAS)
    assert list(tmp_path.iterdir()) == []
    assert "nearly full" in caplog.text
