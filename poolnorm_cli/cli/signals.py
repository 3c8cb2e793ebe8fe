"""What becomes of a signal that is to end the command: no traceback, and 128 and its number.

The signal is raised as an exception, so that whatever is half done is cleaned up. A library that is
just being imported might take that for a fault of its own, or swallow it, so there, where nothing
is half done, the process ends at once.
"""

import os
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # what Python does itself, without the enums that are made around it


SIGINT: int = signal.SIGINT
SIGPIPE: int = signal.SIGPIPE
_IMPATIENCE = 1.0
"""Seconds after which one more signal is not the same one, sent twice."""
_IMPORTS = "<frozen importlib"
_came: list[tuple[int, float]] = []


def heed() -> None:
    """Heed SIGINT, SIGTERM and SIGHUP, unless the process was told to ignore them, as by nohup."""
    _handle_by(_raised)
    sys.unraisablehook = _unraisable


def end_at_once() -> None:
    """From here on nothing is half done."""
    _handle_by(_ended)


def exit_code() -> int | None:
    """Return the exit code of the signal that came, None where none did."""
    return 128 + _came[0][0] if _came else None


def _handle_by(handler: Callable[[int, FrameType | None], None]) -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _raised(number: int, frame: FrameType | None) -> None:
    """Raise what ends the command; a signal that comes once more, later, does not wait for it."""
    now = time.monotonic()
    if _came and now - _came[0][1] < _IMPATIENCE:
        return
    if _came or _importing(frame):
        _ended(number, frame)
    _came.append((number, now))
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _ended(number: int, frame: FrameType | None) -> None:
    del frame
    os._exit(128 + number)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTS):
            return True
        frame = frame.f_back
    return False


def _unraisable(fault: Any) -> None:
    """End where the exception of a signal cannot be raised, as in a `__del__`."""
    code = exit_code()
    if code is not None and issubclass(fault.exc_type, KeyboardInterrupt | SystemExit):
        os._exit(code)
    sys.__unraisablehook__(fault)
