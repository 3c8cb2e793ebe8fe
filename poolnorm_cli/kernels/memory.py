"""Memory that kernels use again: fresh pages cost more than the arithmetic done in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from threading import Lock, local
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from poolnorm_cli.sizes import TILE_BYTES


Array = NDArray[Any]

_LINE = 64  # bytes of a cache line, on which vector loads are fastest
_BUFFER = 512  # items; NumPy copies rows that are shorter than this and not longer ones


class _Slots(local):
    """The buffers of one thread, by name."""

    def __init__(self) -> None:
        self.raw: dict[str, NDArray[np.uint8]] = {}


_SLOTS = _Slots()


def scratch(slot: str, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an array of undefined values in the buffer `slot` of this thread.

    Whoever asks this thread for the same slot again may get the same memory.
    """
    kind = np.dtype(dtype)
    size = prod(shape) * kind.itemsize
    raw = _SLOTS.raw.get(slot)
    if raw is None or len(raw) < size:
        whole = np.empty(size + _LINE, np.uint8)
        start = -whole.ctypes.data % _LINE
        raw = _SLOTS.raw[slot] = whole[start : start + size]
    return raw[:size].view(kind).reshape(shape)


@contextmanager
def quiet(buffer: int = _BUFFER) -> Iterator[None]:
    """Let arithmetic overflow and meet NaN in silence, and let NumPy copy no long rows.

    Args:
        buffer: Items from which on a row is worked on where it lies.
    """
    with np.errstate(all="ignore"):
        np.setbufsize(buffer)  # errstate restores it
        yield


def filled(shape: tuple[int, ...], value: float) -> NDArray[np.float64]:
    """Return an array of one value, to be read; a large one takes no memory."""
    if prod(shape) * 8 < TILE_BYTES:
        return np.full(shape, value)
    return np.broadcast_to(np.float64(value), shape)


class _Raw(np.ndarray[Any, Any]):
    """The memory of a result, told from all other memory by its type."""


_FREE: list[_Raw] = []
_KEPT = 8
_LOCK = Lock()


def fresh(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an array of undefined values for a result, in recycled memory where there is some."""
    kind = np.dtype(dtype)
    size = prod(shape) * kind.itemsize
    with _LOCK:
        for index, raw in enumerate(_FREE):
            if size <= raw.size <= 2 * size + _LINE:
                del _FREE[index]
                break
        else:
            raw = _Raw(size, np.uint8)
    return raw[:size].view(np.ndarray).view(kind).reshape(shape)


def recycle(array: Array) -> None:
    """Hand back the memory of a result that nobody looks at any more.

    Memory that does not come from `fresh` is left alone.
    """
    owner: Any = array
    while owner is not None and not isinstance(owner, _Raw):
        owner = getattr(owner, "base", None)
    if owner is not None and len(_FREE) < _KEPT:
        _FREE.append(owner)


def forget() -> None:
    """Let go of the memory that is kept for later, but for the buffers of other threads."""
    with _LOCK:
        _FREE.clear()
    _SLOTS.raw.clear()
