"""A reserve of disk space: a file that an operator removes when the disk is full."""

import logging
import os
import shutil
from pathlib import Path

logger = logging.getLogger(__name__)

SIZE = 16 * 1024 * 1024  # bytes: enough to delete rows, or to move what fills the disk
SHARE = (
    10  # the reserve is at most a tenth of what is free, so that a full disk is not filled again
)


def keep_reserve(folder: Path, size: int = SIZE) -> None:
    """Make the file `reserve` if it is missing and there is plenty of room."""
    file = folder / "reserve"
    if file.exists():
        return
    if shutil.disk_usage(folder).free < SHARE * size:
        logger.warning("the disk of %s is nearly full: there is no reserve", folder)
        return
    unfinished = folder / "reserve.unfinished"
    unfinished.write_bytes(os.urandom(size))  # zeros would take no room on some filesystems
    unfinished.rename(file)
