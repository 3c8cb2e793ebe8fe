"""Unfinished files of processes that were killed: how they are known, and taken away."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Iterable


PREFIX = ".poolnorm-"
SUFFIX = ".tmp"


def lock(fd: int) -> bool:
    """Lock an unfinished file for as long as it is open; False where another process has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # also where the file system knows no locks: such a file is left
        return False
    return True


def remove_leftovers(directories: Iterable[str]) -> int:
    """Remove the unfinished files in these directories that nobody writes any more.

    A file whose writer lives, here or on another machine that shares the directory, is locked. The
    process in its name must be gone too, because a writer is without the lock for a moment.

    Returns:
        How many there were.
    """
    count = 0
    for directory in directories:
        with suppress(OSError):
            for name in os.listdir(directory):  # noqa: PTH208 - of many files, only names
                if name.startswith(PREFIX) and name.endswith(SUFFIX):
                    count += _removed(f"{directory}/{name}")
    return count


def _removed(path: str) -> bool:
    number = path.rpartition("/")[2].removeprefix(PREFIX).partition("-")[0]
    if not number.isdecimal() or _alive(int(number)):
        return False
    with suppress(OSError):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if lock(fd):
                os.unlink(path)  # noqa: PTH108 - a Path takes long to import
                return True
        finally:
            os.close(fd)
    return False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
