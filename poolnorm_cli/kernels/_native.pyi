# The loops compiled from native/*.c. Arrays are C-contiguous, aligned, of native byte order.

from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Fold: TypeAlias = tuple[int, int, int]
Place: TypeAlias = tuple[int, int, int, int]

def windows(
    x: Array,
    out: Array,
    average: bool,
    itemsize: int,
    wide: int,
    shape: tuple[int, int, int, int, int],
    plane: Place,
    row: Place,
    cell: Place,
    /,
) -> bool: ...
def fold_sum(x: Array, out: Array, shape: Fold, /) -> bool: ...
def fold_squares(x: Array, out: Array, shape: Fold, /) -> bool: ...
def fold_max(x: Array, out: Array, shape: Fold, /) -> bool: ...
def fold_moments(x: Array, mean: Array, squares: Array, shape: Fold, /) -> bool: ...
def normalize(
    x: Array,
    y: Array,
    gamma: Array | None,
    beta: Array | None,
    size: tuple[bool, float, float, float],
    shape: tuple[int, int],
    /,
) -> bool: ...
def scale(
    x: Array, y: Array, a: Array | None, b: Array, c: Array | None, itemsize: int, shape: Fold, /
) -> bool: ...
