"""Standard output as a place for bytes."""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import OutputError, UsageError
from poolnorm_cli.tensors.messages import fault, reason_of


if TYPE_CHECKING:
    from poolnorm_cli.tensors.writers import Sink


_PIECE = 16 << 20
_FIX = "redirect it, or give a file with -o"


def standard_output() -> Sink:
    """Return a function that writes bytes to standard output at once, without a buffer.

    A reader that went away raises BrokenPipeError, other faults OutputError.

    Raises:
        OutputError: Standard output is closed.
        UsageError: It is a terminal.
    """
    if sys.stdout is None or sys.stdout.closed:
        raise fault(OutputError, "-", "standard output is closed", _FIX)
    if sys.stdout.isatty():
        raise fault(UsageError, "-", "standard output is a terminal", _FIX)
    sys.stdout.flush()
    raw = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
    return lambda data: _write(raw, memoryview(data))


def _write(raw: Any, left: memoryview) -> None:
    try:
        while left:
            count = raw.write(left[:_PIECE])
            if count is None:  # a pipe that somebody has set not to block
                select.select([], [raw], [])
            left = left[count or 0 :]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise fault(OutputError, "-", f"standard output: {reason_of(error)}", _FIX) from error
