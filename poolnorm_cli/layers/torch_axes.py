"""Where torch has its axes: channels at 1, normalized axes last; it pads the last axis first."""

from collections.abc import Sequence

from poolnorm_cli.shapes import Ints


Lines = list[str]


def channels_at_1(call: str, axis: int, shape: Ints) -> Lines:
    """Call a module that wants the channels at axis 1."""
    return [call] if axis == 1 else permuted([f"y = {call}(x)"], axis, shape)


def axes_last(call: str, axes: Ints, shape: Ints) -> Lines:
    """Move the axes that are normalized to the end, where torch has them."""
    rank = len(shape)
    order = [*(axis for axis in range(rank) if axis not in axes), *axes]
    return [call] if order == sorted(order) else ordered([f"y = {call}(x)"], order)


def permuted(lines: Lines, axis: int, shape: Ints) -> Lines:
    """Move the channels to axis 1, where torch has them."""
    others = [other for other in range(len(shape)) if other != axis]
    return lines if axis == 1 else ordered(lines, [others[0], axis, *others[1:]])


def ordered(lines: Lines, order: Sequence[int]) -> Lines:
    """Permute `x` before, and `y` back after."""
    back = [order.index(axis) for axis in range(len(order))]
    before = f"x = x.permute{tuple(order)}"
    return [before, *lines, f"y = y.permute{tuple(back)}"]


def flat(pads: Sequence[tuple[int, int]]) -> Ints:
    """List pads as torch does: of the last axis first."""
    return tuple(cells for pair in reversed(pads) for cells in pair)


def number(sizes: Sequence[int]) -> int | Ints:
    """Write sizes as one number where they are all the same."""
    return sizes[0] if len(set(sizes)) == 1 else tuple(sizes)
