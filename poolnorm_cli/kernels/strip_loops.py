"""What compiled loops make of strips of a sample, and of their results together, without NumPy."""

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.fold_loops import FoldCall, fold_call, three_sizes
from poolnorm_cli.kernels.native import FLOATS, KINDS
from poolnorm_cli.shapes import Ints
from poolnorm_cli.windows import Reduction


if TYPE_CHECKING:
    from poolnorm_cli.kernels.native import Buffer, LoopCall

_MOST_MEANS = 1 << 16
"""Means of strips up to which they are averaged one by one: of more, NumPy's import is sooner."""


class StripCall(NamedTuple):
    """What computes a strip.

    Attributes:
        run: The loop.
        dtype: Name of the dtype of what it makes.
    """

    run: "LoopCall"
    dtype: str


class _SumCall(NamedTuple):
    """Takes means over the middle of three axes, in float64."""

    sizes: tuple[int, int, int]
    kind: str

    def run(self, cells: "Buffer", out: "Buffer") -> bool:
        """Run the loop; say whether all means are finite."""
        loops = native.loops()
        loops.fold_sum(cells, out, self.sizes, self.kind)
        return not loops.divide(out, out, float(self.sizes[1]), KINDS["float64"])


def fold_strip_call(
    shape: Ints, axes: Sequence[int], dtype: str, reduction: Reduction
) -> StripCall | None:
    """Return what reduces adjacent axes of a strip: means stay in float64, to be averaged later.

    Args:
        shape: Shape of the strip.
        axes: Sorted, adjacent axes, none of them empty.
        dtype: Name of its dtype.
        reduction: What is made of the cells.

    Returns:
        The call; None where no loop serves for such a dtype, or there are no loops.
    """
    kind = native.served_kind(dtype, reduction)
    if kind is None:
        return None
    if reduction == "mean":
        return StripCall(_SumCall(three_sizes(shape, axes), kind).run, "float64")
    call = fold_call(shape, axes, dtype, reduction)
    return None if call is None else StripCall(call.run, dtype)


def combining_call(rows: Ints, width: int, dtype: str, reduction: Reduction) -> "LoopCall | None":
    """Return what puts together what `fold_strip_call` made of the strips of a sample.

    Args:
        rows: Rows of each strip.
        width: Results of each.
        dtype: Name of the dtype of the sample, and of what comes out.
        reduction: What was made of the cells.

    Returns:
        What takes the results of all strips, one behind the other; None where there is nothing.
    """
    kind = KINDS[dtype]
    if reduction != "mean":
        return FoldCall((1, len(rows), width), kind, reduction).run
    if kind not in FLOATS or len(rows) * width > _MOST_MEANS:
        return None

    def average(means: "Buffer", out: "Buffer") -> bool:
        found = memoryview(means).cast("d").tolist()
        parts = [found[start : start + width] for start in range(0, len(found), width)]
        whole = mean_of_means(parts, rows)
        if whole is None:
            return False
        made = memoryview(bytearray(8 * width)).cast("d")
        for place, mean in enumerate(whole):
            made[place] = mean
        return not native.loops().divide(made, out, 1.0, kind)

    return average


def mean_of_means(parts: Sequence[Sequence[float]], counts: Ints) -> list[float] | None:
    """Average means, each weighted by its number of rows: what `reductions.mean_of_means` does.

    Args:
        parts: The means of each strip.
        counts: Its rows, 1 or more.

    Returns:
        The means; None where one is not finite.
    """
    whole, rows = list(parts[0]), counts[0]
    for part, count in zip(parts[1:], counts[1:], strict=True):
        rows += count
        before, now = (rows - count) / rows, count / rows
        for place, mean in enumerate(part):
            other = whole[place]
            least, most = (other, mean) if other <= mean else (mean, other)
            # It lies between the two: what rounding adds may not make it infinite.
            whole[place] = min(max(other * before + mean * now, least), most)
    return whole if all(map(isfinite, whole)) else None
