"""Pools of buffers that kernels use again: new pages cost more than the arithmetic done in them.

Results are acquired and released; scratch buffers belong to a thread and go by name.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from threading import Lock, local
from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.machine import processors
from poolnorm_cli.sizes import TILE_BYTES


if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

Array = np.ndarray[tuple[Any, ...], np.dtype[Any]]
"""`NDArray[Any]`, without the import of `numpy.typing`, which takes a hundredth of a short run."""

_LINE = 64  # bytes of a cache line, on which vector loads are fastest
_BUFFER = 512  # items; NumPy copies rows that are shorter than this and not longer ones


class _Slots(local):
    """The buffers of one thread, by name."""

    def __init__(self) -> None:
        self.raw: dict[str, NDArray[np.uint8]] = {}
        self.offered: Array | None = None


_SLOTS = _Slots()


def scratch(slot: str, shape: tuple[int, ...], dtype: "DTypeLike") -> Array:
    """Return a buffer of this thread, as an array of undefined values.

    Whoever asks this thread for the same slot again may get the same memory.

    Args:
        slot: Name of the buffer.
        shape: Shape of the array.
        dtype: Its dtype, any.

    Returns:
        A C-contiguous array that begins on a cache line.
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
def silence_floating_point(buffer: int = _BUFFER) -> Iterator[None]:
    """Let NumPy warn of no overflow, division or NaN, and copy no long rows to its buffer.

    Args:
        buffer: Items of a row from which NumPy works on it in place.
    """
    with np.errstate(all="ignore"):
        np.setbufsize(buffer)  # errstate restores it
        yield


def filled(shape: tuple[int, ...], value: float) -> "NDArray[np.float64]":
    """Return an array of one value, to be read only; a large one takes no memory.

    Args:
        shape: Shape of the array.
        value: The value of all its items.

    Returns:
        A float64 array, or a view of one number with that shape.
    """
    if prod(shape) * 8 < TILE_BYTES:
        return np.full(shape, value)
    return np.broadcast_to(np.float64(value), shape)


class _Raw(np.ndarray[Any, Any]):
    """The memory of a result, known from all other memory by its type."""


_FREE: list[_Raw] = []
_MAKERS: "list[Callable[[int], Array | None]]" = []
_KEPT = 2 * processors() + 4  # what is read and what comes of it, for each thread, and some
_LOCK = Lock()


def acquire(shape: tuple[int, ...], dtype: "DTypeLike") -> Array:
    """Return an array of undefined values for a result, in released memory where there is some.

    Args:
        shape: Shape of the array.
        dtype: Its dtype, any.

    Returns:
        A C-contiguous array; `release` gives its memory back.
    """
    kind = np.dtype(dtype)
    size = prod(shape) * kind.itemsize
    target = _SLOTS.offered
    if target is not None and target.nbytes == size and target.dtype == kind:
        _SLOTS.offered = None
        return target.reshape(shape)
    with _LOCK:
        for index in range(len(_FREE) - 1, -1, -1):  # what was used last is in some cache still
            raw = _FREE[index]
            if size <= raw.size <= 2 * size + _LINE:
                del _FREE[index]
                break
        else:
            raw = None
    if raw is None:
        raw = _made(size)
    return raw[:size].view(np.ndarray).view(kind).reshape(shape)


def _made(size: int) -> _Raw:
    for make in _MAKERS:
        found = make(size)
        if found is not None:
            return found.view(_Raw)
    return _Raw(size, np.uint8)


def make_by(make: "Callable[[int], Array | None]") -> None:
    """Have another function make the memory of results from now on, where it makes any.

    Args:
        make: Returns a new array of so many bytes; None where ordinary memory serves.
    """
    _MAKERS[:] = [make]


@contextmanager
def offered(target: Array) -> Iterator[None]:
    """Let the next result of this thread that has the size and dtype of an array lie in it.

    Whoever offers it sees to what happens when the result is another one after all.

    Args:
        target: C-contiguous, whose values nobody needs.
    """
    _SLOTS.offered = target
    try:
        yield
    finally:
        _SLOTS.offered = None


def release(array: Array) -> None:
    """Give back the memory of a result that nobody reads any more.

    Args:
        array: Any array; one whose memory does not come from `acquire` is left alone.
    """
    owner: Any = array
    while owner is not None and not isinstance(owner, _Raw):
        owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
    if owner is not None:
        with _LOCK:
            if len(_FREE) >= _KEPT:
                del _FREE[0]  # of the size of what was worked on before
            _FREE.append(owner)


def clear() -> None:
    """Free the memory that is kept for later, but for the scratch buffers of other threads."""
    with _LOCK:
        _FREE.clear()
    _SLOTS.raw.clear()
