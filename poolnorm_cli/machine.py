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


def total_memory() -> int | None:
    """Return the bytes of memory that this machine has; None where nothing says."""
    return _pages("SC_PHYS_PAGES")


def memory_allowance() -> int:
    """Return the bytes that one array may take: half of what is free, if that is known."""
    free, total = _pages("SC_AVPHYS_PAGES"), total_memory()
    if total is None:
        return UNKNOWN_MEMORY_BYTES
    # Free pages exclude those that only cache files, so a busy machine looks full: keep a floor.
    return total // 4 if free is None else max(free // 2, total // 8)


def memory_in_use() -> int | None:
    """Return the bytes of memory that this process has; None where nothing says."""
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123 - not a file of anyone's
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def reserve(fd: int, size: int) -> None:
    """Reserve disk space for a file, where the system and the file system can.

    Args:
        fd: The open file.
        size: Bytes that it is going to have.

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
