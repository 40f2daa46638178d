"""A reserve of disk space: a file that an operator removes when the disk is full."""

import logging
import os
import shutil
from pathlib import Path
from uuid import uuid4

logger = logging.getLogger(__name__)

SIZE = 16 * 1024 * 1024  # bytes: enough to delete rows, or to move what fills the disk
# The reserve is at most a tenth of what is free, so that a full disk is not filled again.
SHARE = 10


def keep_reserve(folder: Path, size: int = SIZE) -> None:
    """Make the file `reserve` if it is missing and there is plenty of room.

    A reserve that cannot be made is a line in the log. Others may be making it too.
    """
    file = folder / "reserve"
    if file.exists():
        return
    if shutil.disk_usage(folder).free < SHARE * size:
        logger.warning("the disk of %s is nearly full: there is no reserve", folder)
        return
    unfinished = folder / f"reserve.{uuid4().hex}"
    try:
        unfinished.write_bytes(os.urandom(size))  # zeros would take no room on some filesystems
        unfinished.rename(file)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        logger.warning("there is no reserve in %s: %s", folder, error.strerror)
