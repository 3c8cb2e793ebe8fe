"""From sums to averages: how many real cells lie below a window at each of its places."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.programs import Program
from poolnorm_cli.shapes import Window


Array = NDArray[Any]
Run = tuple[int, int, int]  # first place, place after the last, and cells below each of them


def divide(
    program: Program, sums: Array, windows: Sequence[Window], lengths: Sequence[int]
) -> None:
    """Append to a program the steps that divide sums by the number of their cells.

    Args:
        program: The program.
        sums: C-contiguous, of shape (images, *places, items).
        windows: One per spatial axis.
        lengths: The cells on each of these axes.
    """
    *outer, last = (_runs(w, length) for w, length in zip(windows, lengths, strict=True))
    images, items = sums.shape[0], sums.shape[-1]
    rows = sums.reshape(images, *sums.shape[1:-2], sums.shape[-2] * items)
    if all(len(runs) == 1 for runs in outer):
        rows = sums.reshape(-1, sums.shape[-2] * items)
    row = _row(last, items, sums.dtype)
    for runs in product(*outer):
        cells = 1
        part: Any = (slice(None),)
        for start, stop, count in runs:
            cells *= count
            part += (slice(start, stop),)
        some = rows[part] if rows.ndim > 2 else rows
        program.add(np.divide, some, np.asarray(row * row.dtype.type(cells)), some)


@lru_cache(maxsize=64)
def _runs(window: Window, length: int) -> tuple[Run, ...]:
    """Group the places of a window that stand side by side over equally many cells."""
    return tuple(_grouped(window.cells(length)))


def _grouped(cells: Sequence[int]) -> Iterator[Run]:
    start = 0
    for count, group in groupby(cells):
        stop = start + len(list(group))
        yield start, stop, count
        start = stop


@lru_cache(maxsize=8)
def _row(runs: tuple[Run, ...], items: int, dtype: np.dtype[Any]) -> Array:
    """Return the counts along a row; a single one where they are all the same."""
    if len(runs) == 1:
        return np.array(runs[0][2], dtype)
    return np.repeat([c for _, _, c in runs], [(b - a) * items for a, b, _ in runs]).astype(dtype)
