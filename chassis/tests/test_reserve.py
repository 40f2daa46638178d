"""The reserve of disk space: it is there before it is needed, and does not fill a full disk."""

import resource
from concurrent.futures import ThreadPoolExecutor
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


def test_any_number_may_make_a_reserve_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: keep_reserve(tmp_path, 100_000), range(8)))
    assert [file.name for file in tmp_path.iterdir()] == ["reserve"]


def test_a_reserve_that_cannot_be_written_leaves_nothing_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    try:
        keep_reserve(tmp_path, 2_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
    assert "there is no reserve" in caplog.text
