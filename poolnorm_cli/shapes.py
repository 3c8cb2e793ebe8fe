"""The rules of shapes: axes and symbolic dimensions, as functions of ints alone.

Where windows are is in `windows.py`. Nothing here needs NumPy.
"""

from typing import Literal

from poolnorm_cli.errors import UsageError


Dim = int | str | None
"""A size, a name that stands for one (`H`, or an expression such as `H//2`), or unknown."""

Shape = tuple[Dim, ...]
Ints = tuple[int, ...]
LARGEST_SIZE = 2**63 - 1
"""The largest size, stride or number of cells: compiled loops and graphs count in 64 bits."""
DataFormat = Literal["channels_last", "channels_first"]


def counted(number: int, noun: str) -> str:
    """Write a number of things: `1 cell`, `2 cells`.

    Args:
        number: How many there are.
        noun: What one of them is called; its plural ends in s.

    Returns:
        Both, the noun in the singular or the plural.
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def adaptive_bounds(length: int, count: int) -> list[tuple[int, int]]:
    """Place windows that cover an axis evenly, as Keras' adaptive pooling and PyTorch's do.

    Window i goes from floor(i * length / count) to ceil((i + 1) * length / count), in exact
    integers. So windows have two sizes at most, and overlap by one cell at most.

    Args:
        length: Cells on the axis.
        count: Number of windows.

    Returns:
        The first cell and the end of each window.
    """
    return [adaptive_bounds_at(place, length, count) for place in range(count)]


def adaptive_bounds_at(place: int, length: int, count: int) -> tuple[int, int]:
    """Return the first cell and the end of one of the windows of `adaptive_bounds`.

    Args:
        place: Which one, from 0.
        length: Cells on the axis.
        count: Number of windows.

    Returns:
        Both, as indices of the axis.
    """
    return place * length // count, -(-(place + 1) * length // count)


def atom(size: int | str) -> str:
    """Put an expression in parentheses, so that more can be appended to it."""
    text = str(size)
    return text if text.isidentifier() or text.isdigit() else f"({text})"


def spatial_axes(rank: int, data_format: DataFormat) -> Ints:
    """List the spatial axes of a batched tensor with channels.

    Args:
        rank: Number of axes of the tensor.
        data_format: Whether its channels come last, or right after the batch.

    Returns:
        All axes but the batch's and the channels'.
    """
    return tuple(range(1, rank - 1)) if data_format == "channels_last" else tuple(range(2, rank))


def spatial_rank(shape: Shape) -> int:
    """Return 1, 2 or 3 for a tensor of rank 3, 4 or 5.

    Raises:
        UsageError: The rank is another one.
    """
    if len(shape) not in (3, 4, 5):
        fix = "pooling takes rank 3, 4 or 5: batch, one to three spatial axes, channels"
        if len(shape) == 2:
            fix += "; save an image without channels as x[None, ..., None]; one sample of steps "
            fix += "and channels is run with --unbatched"
        raise UsageError(f"the input has rank {len(shape)}, shape ({format_shape(shape)})", fix)
    return len(shape) - 2


def per_axis(sizes: Ints, rank: int, flag: str) -> Ints:
    """Give each spatial axis its size.

    Args:
        sizes: One for all axes, or one each.
        rank: Number of spatial axes.
        flag: What the sizes were given as; for the error.

    Returns:
        A size for each axis.

    Raises:
        UsageError: Another number of sizes was given.
    """
    if len(sizes) == 1:
        return sizes * rank
    if len(sizes) != rank:
        given = ",".join(map(str, sizes))
        axes = "one spatial axis" if rank == 1 else f"{rank} spatial axes"
        each = "" if rank == 1 else f", or {rank} as {flag} {','.join(['2'] * rank)}"
        raise UsageError(
            f"{flag} {given} has {len(sizes)} sizes, the input has {axes}", f"give one size{each}"
        )
    return sizes


def within_64_bits(sizes: Ints, flag: str) -> Ints:
    """Refuse sizes that compiled loops and graphs cannot hold.

    Args:
        sizes: One or more sizes.
        flag: What they were given as; for the error.

    Returns:
        The sizes as they are.

    Raises:
        UsageError: One is larger; it is not echoed, for it may have thousands of digits.
    """
    longest = max(size.bit_length() for size in sizes)
    if longest > LARGEST_SIZE.bit_length():
        what = f"{flag} has a number of {longest} bits"
        raise UsageError(what, f"give {LARGEST_SIZE} at most")
    return sizes


def resolve_axes(axes: Ints, rank: int) -> Ints:
    """Make axes non-negative and sort them, as Keras 3 does.

    Args:
        axes: Axes, negative ones counted from the end.
        rank: Number of axes of the tensor.

    Returns:
        The axes, 0 or more, in ascending order.

    Raises:
        UsageError: An axis is out of range or given twice.
    """
    found = []
    for axis in axes:
        if not -rank <= axis < rank:
            raise UsageError(
                f"--axis {axis} is out of range for an input of rank {rank}",
                f"give an axis from {-rank} to {rank - 1}",
            )
        found.append(axis % rank)
    if len(set(found)) != len(found):
        given = ",".join(map(str, axes))
        raise UsageError(f"--axis {given} names an axis twice", "name each axis once")
    return tuple(sorted(found))


def known_sizes(shape: Shape, axes: Ints) -> Ints:
    """Return the sizes of the axes along which a layer has weights.

    Args:
        shape: Shape of the input.
        axes: The axes.

    Returns:
        A number for each axis.

    Raises:
        UsageError: One of them is not a number.
    """
    sizes = []
    for axis in axes:
        size = shape[axis]
        if not isinstance(size, int):
            raise UsageError(
                f"axis {axis} of ({format_shape(shape)}) has no known size",
                "give that axis a number: the layer has a weight for each of its cells",
            )
        sizes.append(size)
    return tuple(sizes)


def format_shape(shape: Shape) -> str:
    """Write a shape as it is typed: `None,14,14,3`."""
    return ",".join(map(str, shape))


def parse_shape(text: str) -> Shape:
    """Read `4,28,28,3`, `None,28,28,3` or `N,H,W,3`; parentheses and spaces may stand around.

    Numbers alone may have `x` or spaces between them: `4x28x28x3`.

    Raises:
        UsageError: A part is neither a size, None, nor a name.
    """
    inside = text.strip().strip("()[]").strip()
    if inside[:1].isdigit() and not inside.strip("0123456789xX "):
        inside = ",".join(inside.lower().replace("x", " ").split())
    parts = [part.strip() for part in inside.split(",")]
    return tuple(_dim(part, text) for part in parts if part or len(parts) == 1)


def whole_number(text: str) -> int | None:
    """Read decimal digits, however many, as a number of 64 bits; None where they are none."""
    digits = text.lstrip("0") or "0"
    if not (text.isascii() and text.isdigit() and len(digits) <= len(str(LARGEST_SIZE))):
        return None
    return number if (number := int(digits)) <= LARGEST_SIZE else None


def _dim(part: str, text: str) -> Dim:
    if part in {"None", "?"}:
        return None
    if (size := whole_number(part)) is not None:
        return size
    if part.isidentifier():
        return part
    raise UsageError(
        f"shape {text!r} has a part {part!r}",
        "write sizes, None or names with commas: 4,28,28,3 or None,28,28,3 or N,H,W,3",
    )
