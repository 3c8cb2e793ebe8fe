"""What the compiled loops over whole axes are called with: made of shapes alone, without NumPy."""

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.kernels import native
from poolnorm_cli.shapes import Ints
from poolnorm_cli.windows import Reduction


if TYPE_CHECKING:
    from poolnorm_cli.kernels.native import Buffer


class FoldCall(NamedTuple):
    """A call of a loop: what is made of the middle of three axes.

    Attributes:
        sizes: The axes: before, length, after.
        kind: Letter of the type of the items.
        reduction: What is made of the cells.
    """

    sizes: tuple[int, int, int]
    kind: str
    reduction: Reduction

    def run(self, cells: "Buffer", out: "Buffer") -> bool:
        """Run the loop.

        Args:
            cells: The items, C-contiguous and aligned.
            out: Memory of the result.

        Returns:
            Whether all means are finite, or there are none; others are to be computed again.
        """
        loops = native.loops()
        if self.reduction != "mean":
            fold = loops.fold_max if self.reduction == "max" else loops.fold_min
            fold(cells, out, self.sizes, self.kind)
            return True
        return not loops.fold_mean(cells, out, self.sizes, self.kind)


def three_sizes(shape: Ints, axes: Sequence[int]) -> tuple[int, int, int]:
    """See a shape as one of three axes.

    Args:
        shape: Shape of a block.
        axes: Sorted, adjacent axes.

    Returns:
        The sizes (before, length, after), with the axes to reduce merged into the middle one.
    """
    first, last = axes[0], axes[-1] + 1
    return prod(shape[:first]), prod(shape[first:last]), prod(shape[last:])


def fold_call(
    shape: Ints, axes: Sequence[int], dtype: str, reduction: Reduction = "max"
) -> FoldCall | None:
    """Return the call of the loop that reduces adjacent axes of a block.

    Args:
        shape: Shape of the block.
        axes: Sorted, adjacent axes, none of them empty.
        dtype: Name of its dtype.
        reduction: What is made of the cells.

    Returns:
        The call; None where no loop serves for such a dtype, or there are no loops.
    """
    kind = native.served_kind(dtype, reduction, halves=True)
    return None if kind is None else FoldCall(three_sizes(shape, axes), kind, reduction)
