# The loops compiled from native/*.c. Arrays are C-contiguous, aligned, of native byte order.

from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Buffer: TypeAlias = Array | memoryview | bytearray
ThreeAxes: TypeAlias = tuple[
    int, int, int
]  # before, length, after: `fold_` loops reduce the length
Type: TypeAlias = str | int  # its letter in `native.KINDS`; or 4 of float32, 8 of float64
WindowSizes: TypeAlias = tuple[
    int, int, int, int, int, int, int, int
]  # all of a `Window` but `high`

def windows(
    x: Array,
    out: Array,
    reduction: int,  # a number of `native.REDUCTIONS`
    kind: Type,
    wide: int,
    shape: tuple[int, int, int, int, int],
    plane: WindowSizes,
    row: WindowSizes,
    cell: WindowSizes,
    /,
) -> bool: ...
def adaptive(
    x: Array,
    out: Array,
    bounds: bytes,
    average: bool,
    kind: Type,
    shape: tuple[int, int, int, int, int],
    counts: ThreeAxes,
    /,
) -> bool: ...  # `kernels/adaptive.py` makes bounds, shape and counts
def max_indices(
    x: Buffer,
    out: Buffer,
    bounds: bytes | None,
    kind: str,
    shape: tuple[int, int, int, int, int],
    plane: WindowSizes,
    row: WindowSizes,
    cell: WindowSizes,
    first: int,
    /,
) -> bool: ...  # `kernels/index_loops.py` makes bounds, shape and windows
def put_back(
    x: Buffer,
    at: Buffer,
    out: Buffer,
    itemsize: int,
    sizes: tuple[int, int, int],
    cells: int,
    /,
) -> bool: ...  # True: an index is of no cell
def fold_sum(x: Array, out: Array, shape: ThreeAxes, kind: Type = 4, /) -> bool: ...
def fold_mean(
    x: Array, out: Array, shape: ThreeAxes, kind: Type = 4, /
) -> bool: ...  # True: a mean is not finite
def fold_squares(x: Array, out: Array, shape: ThreeAxes, kind: Type = 4, /) -> bool: ...
def fold_max(x: Array, out: Array, shape: ThreeAxes, kind: Type = 4, /) -> bool: ...
def fold_min(x: Array, out: Array, shape: ThreeAxes, kind: Type = 4, /) -> bool: ...
def fold_moments(
    x: Array, mean: Array, squares: Array, shape: ThreeAxes, kind: Type = 4, last: int = -1, /
) -> bool: ...  # `last` is the length of the last image, where that is shorter
def merge_grains(
    mean: Array,
    squares: Array,
    to_mean: Array,
    to_squares: Array,
    sizes: tuple[int, int, int, int, int],
    /,
) -> bool: ...  # of units, of a grain, after; cells of a unit, of the last; True: one is lost
def divide(
    sums: Buffer, out: Buffer, by: float, kind: Type, /
) -> bool: ...  # True: one is not finite
def powers(
    x: Buffer, out: Buffer, items: int, itemsize: int, p: float, /
) -> bool: ...  # True: one has lost digits
def roots(
    sums: Buffer, out: Buffer, items: int, itemsize: int, p: float, /
) -> bool: ...  # True: a sum is not finite
def swap(items: Buffer, itemsize: int, /) -> bool: ...
def normalize_rows(
    x: Array,
    y: Array,
    gamma: Array | None,
    beta: Array | None,
    kind: Type,
    division: tuple[bool, float, float, float],
    sizes: tuple[int, int, int, int],
    /,
) -> bool: ...
def normalize_columns(
    x: Array,
    y: Array,
    gamma: Array | None,
    beta: Array | None,
    kind: Type,
    division: tuple[bool, float, float, float],
    sizes: tuple[int, int, int, int],
    along: bool,
    /,
) -> bool: ...
def normalize_apart(
    x: Array,
    y: Array,
    gamma: Array | None,
    beta: Array | None,
    kind: Type,
    division: tuple[bool, float, float, float],
    sizes: tuple[int, int, int, int, int],
    axes: tuple[int, ...],
    order: tuple[int, ...],
    /,
) -> (
    bool
): ...  # samples, rows of each, and as `normalize_rows`; sizes of a sample's axes, their order
def divide_by_norms(
    x: Array,
    y: Array,
    itemsize: int,
    p: float,
    least: float,
    sizes: tuple[int, int, int, int],
    axes: tuple[int, ...],
    order: tuple[int, ...],
    /,
) -> bool: ...  # samples, images of each, their length, after; axes and order as above
def respond(
    x: Array,
    y: Array,
    itemsize: int,
    sizes: ThreeAxes,
    around: tuple[int, int],
    numbers: tuple[float, float, float],
    /,
) -> bool: ...  # True: a divisor is not finite
def center(
    x: Array,
    y: Array,
    mean: Array,
    scale: Array,
    shift: Array | None,
    kind: Type,
    shape: ThreeAxes,
    /,
) -> bool: ...
def train(
    x: Buffer,
    out: Buffer,
    gamma: Buffer | None,
    beta: Buffer | None,
    found: Buffer,  # means and sums of squared deviations of all channels, float64
    kind: str,
    epsilon: float,
    sizes: ThreeAxes,
    units: tuple[int, int, int, int],  # how many, cells of each, items after, cells of the last
    rows: int,  # units of a grain
    /,
) -> bool: ...  # True: a statistic is lost, and there is no result
def fold_weights(
    gamma: Array | None,
    beta: Array | None,
    variance: Array,
    scale: Array,
    shift: Array,
    epsilon: float,
    length: int,
    /,
) -> bool: ...
def read_weights(
    out: Buffer,  # float64, for all of them
    weights: tuple[Array, ...],
    added: tuple[float, ...],  # what makes each of a weight positive; NaN where they need not be
    kind: Type,  # of float32 or float64
    /,
) -> bool: ...  # whether they are finite, and clearly positive
def scale(
    x: Array,
    y: Array,
    a: Array | None,
    b: Array,
    c: Array | None,
    kind: Type,
    shape: ThreeAxes,
    /,
) -> bool: ...
def convert(x: Array, out: Array, source: str, target: str, items: int, /) -> bool: ...
def use_vectors(bits: int, /) -> int: ...  # of 512, 256 or 0 bits at most; 1024: all there are
def allow_threads(
    threads: int, /
) -> int: ...  # for calls of this thread from now on; returns how many there were
def threads_for(
    items: int, item_bytes: int, nanoseconds: float, /
) -> tuple[int, int]: ...  # and how many of the others are woken where one takes so long
def in_memory(fd: int, /) -> bool: ...
def store(mapped: Buffer, data: Buffer, place: int, /) -> bool: ...  # False: nothing was stored
