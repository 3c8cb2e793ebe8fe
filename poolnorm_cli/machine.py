"""What this machine has, asked in one place, since systems differ in what they tell.

macOS has no `os.sched_getaffinity`, no count of free pages and no /proc.
"""

import errno
import os

from poolnorm_cli.sizes import UNKNOWN_MEMORY_BYTES


_WITHOUT_RESERVE = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


def processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(len(os.sched_getaffinity(0)), 1)
    return os.cpu_count() or 1


def built_in_memory() -> int | None:
    """Return the bytes of memory that are built in; None where nothing says."""
    return _pages("SC_PHYS_PAGES")


def half_of_memory() -> int:
    """Return the bytes that one thing may take: half of what is free, if that is known."""
    free, every = _pages("SC_AVPHYS_PAGES"), built_in_memory()
    if every is None:
        return UNKNOWN_MEMORY_BYTES
    # Free pages exclude those that only cache files, so a busy machine looks full: keep a floor.
    return every // 4 if free is None else max(free // 2, every // 8)


def memory_in_use() -> int | None:
    """Return the bytes of memory that this process has; None where nothing says."""
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123 - not a file of anyone's
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def reserve(fd: int, size: int) -> None:
    """Take the room for a file of so many bytes, where the system and its disk can.

    Raises:
        OSError: There is not so much.
    """
    if not (hasattr(os, "posix_fallocate") and size):
        return
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        if error.errno not in _WITHOUT_RESERVE:
            raise


def _pages(name: str) -> int | None:
    try:
        count = os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None
    return count if count > 0 else None
