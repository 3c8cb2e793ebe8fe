"""Why a file cannot be written, and what helps."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from poolnorm_cli.errors import OutputError, reason_of


if TYPE_CHECKING:
    from pathlib import Path


_FIXES = {
    errno.ENOSPC: "free some, or write elsewhere",
    errno.EDQUOT: "free some, or write elsewhere",
    errno.EFBIG: "raise the limit (ulimit -f), or write elsewhere",
    errno.EACCES: "write to a directory of yours",
    errno.EPERM: "write to a directory of yours",
    errno.EROFS: "write to another file system",
    errno.ENOENT: "create the directory first (mkdir -p)",
    errno.ENOTDIR: "create the directory first (mkdir -p)",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EIO: "check the disk",
}


def unwritten(path: Path | str, error: Exception) -> OutputError:
    """Return the error to report when the operating system refuses to write a file.

    Args:
        path: Its name.
        error: What the system said.
    """
    if not isinstance(error, OSError):
        return OutputError.at(path, "not a name for a file", "give another")
    code = error.errno or 0
    reason = "no such directory" if code == errno.ENOENT else reason_of(error)
    return OutputError.at(path, reason, _FIXES.get(code, ""))
