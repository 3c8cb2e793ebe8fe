"""Standard error, which may be closed, full or gone: what is told there changes no exit code."""

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO


if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Lenient(io.FileIO):
    """Drops what cannot be written."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def open_stderr() -> TextIO:
    """Return a stream to standard error that never fails."""
    there = sys.stderr
    if there is None:  # closed; what is printed to no stream would go to standard output
        return open(os.devnull, "w")  # noqa: PTH123 - open to the end
    raw = _Lenient(there.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), there.encoding, "backslashreplace", line_buffering=True
    )
