"""Files and names that are on the disk, so that they outlast a power cut."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from poolnorm_cli.tensors.names import folder_of


if TYPE_CHECKING:
    from collections.abc import Iterable


def sync_file(fd: int) -> None:
    """Have the contents of an open file on the disk.

    Raises:
        OSError: The disk fails.
    """
    full = _full()
    if full is not None:
        import fcntl

        with suppress(OSError):  # a file system that does not know it
            fcntl.fcntl(fd, full)
            return
    os.fsync(fd)


def sync_folders(names: Iterable[str]) -> None:
    """Have on the disk the names that files were given, each of their directories once.

    Raises:
        OSError: The disk fails.
    """
    for folder in {folder_of(name) or "." for name in names}:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # some file systems cannot, and have no need to
                os.fsync(fd)
        finally:
            os.close(fd)


def _full() -> int | None:
    """Return the request that macOS wants for what others do on fsync."""
    import fcntl

    return getattr(fcntl, "F_FULLFSYNC", None)
