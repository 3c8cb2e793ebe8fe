"""Outputs that cannot be written: refused by their shape, before the first byte is computed."""

from __future__ import annotations

import os
import stat
import sys
from math import prod
from typing import TYPE_CHECKING

from poolnorm_cli.errors import OutputError, UsageError, shown
from poolnorm_cli.sizes import LARGEST_ARRAY_BYTES, SPACE_ASKED_BYTES
from poolnorm_cli.tensors.formats import format_of
from poolnorm_cli.tensors.names import STDIN, directory_of
from poolnorm_cli.urls import is_url


if TYPE_CHECKING:
    from poolnorm_cli.shapes import Ints


_DEFLATED = 1032
"""Times that deflate can make of its bytes, at most."""
_FIX = "free some, write elsewhere, or ask for less"


def require_free_space(
    target: str, shape: Ints, itemsize: int, *, compressed: bool = False
) -> None:
    """Refuse an array that is too large to exist, or for the space where it goes.

    Args:
        target: `-`, a file, or a URL, which is sent from a file in the temporary directory.
        shape: The shape of the array.
        itemsize: Bytes of an item.
        compressed: Whether it is deflated, to an unknown size, where the format of the target does.

    Raises:
        OutputError: There is no room for it.
        UsageError: Nothing could hold it.
    """
    if prod(max(size, 1) for size in shape) * itemsize >= LARGEST_ARRAY_BYTES:
        what = (
            f"an output of shape ({shown(', '.join(map(str, shape)), 60)}) is 2**62 bytes or more"
        )
        raise UsageError.at(target, what, "ask for smaller sizes")
    nbytes = prod(shape) * itemsize
    form = format_of(target) if compressed else None
    if form is not None and form.deflates:
        nbytes //= _DEFLATED
    if (
        nbytes > SPACE_ASKED_BYTES
        and (free := free_space_for(target)) is not None
        and nbytes > free
    ):
        what = f"needs {nbytes} bytes, and {free} are free there"
        raise OutputError.at(target, what, _FIX)


def require_file_target(target: str | os.PathLike[str]) -> None:
    """Refuse a device, a FIFO or a socket, which a file would replace.

    Raises:
        UsageError: The target is one.
    """
    try:
        mode = os.stat(target).st_mode  # noqa: PTH116 - for each of many files
    except (OSError, ValueError):
        return
    what = kind_of(mode)
    if what:
        what = f"{what}, which cannot hold a file"
        raise UsageError.at(target, what, "name a new file; or give -o - with > or | after it")


def kind_of(mode: int) -> str:
    """Return what kind of special file a mode means; empty for a file or a directory."""
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return ""
    return "a FIFO" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"


def free_space_for(target: str) -> int | None:
    """Return the bytes that are free where an output goes; None if that is unknown.

    The directory of a file may still have to be made.
    """
    try:
        if target == STDIN:
            fd = sys.stdout.fileno()
            return _free(os.fstatvfs(fd)) if stat.S_ISREG(os.fstat(fd).st_mode) else None
        if is_url(target):
            import tempfile

            return free_space_in(tempfile.gettempdir())
        return free_space_in(directory_of(target) or ".")
    except (OSError, ValueError, AttributeError):  # no such output, which opening it tells
        return None


def free_space_in(directory: str) -> int:
    """Return the bytes that are free in a directory, or where it would be made.

    Raises:
        OSError: That cannot be found out.
    """
    while True:
        try:
            return _free(os.statvfs(directory))
        except FileNotFoundError:
            above = directory_of(directory.rstrip("/"))
            if above == directory:
                raise
            directory = above or "."


def _free(seen: os.statvfs_result) -> int:
    if not seen.f_blocks:  # a file system that does not count them
        return LARGEST_ARRAY_BYTES
    return seen.f_frsize * seen.f_bavail
