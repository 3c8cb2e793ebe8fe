"""The cells that share a statistic, by which a normalization divides: equal letters share one."""

from collections.abc import Iterator, Mapping
from itertools import product
from string import ascii_letters
from typing import NamedTuple

from poolnorm_cli.pictures.canvas import Canvas, flowed
from poolnorm_cli.shapes import Dim, Ints, Shape


_STYLES = ("window", "other", "overlap")
"""Of the first statistic, of the next, and so on."""
_SAMPLES, _ROWS, _COLUMNS = 3, 9, 13
"""Samples, rows and columns that are drawn at most."""
_BLOCKS, _OF_BLOCK = 3, 4
"""Groups that are drawn, and cells of each, where there is no room for all."""
_WIDEST = 6
"""Columns of a cell at most: longer indexes are cut."""
_UNKNOWN = 3
"""Cells that are drawn of an axis whose size is not known."""
_MORE, _MORE_BELOW = "…", "⋮"
_GAP = 3


class Sharing(NamedTuple):
    """Which cells of a tensor share a statistic.

    Attributes:
        shape: Shape of the tensor, of rank 1 or more; sizes may be symbolic.
        blocks: Axis -> how many neighbours along it share one; along other axes, all do.
        across: The axis that is drawn from left to right.
    """

    shape: Shape
    blocks: Mapping[int, int]
    across: int

    def key(self, index: Mapping[int, int]) -> Ints:
        """Return what the cells that share a statistic with one have in common."""
        return tuple(index[axis] // size for axis, size in self.blocks.items())

    @property
    def down(self) -> Ints:
        """The axes that are drawn from top to bottom."""
        axes = range(1 if len(self.shape) > 2 else 0, len(self.shape))
        return tuple(axis for axis in axes if axis != self.across)


def sharing_picture(sharing: Sharing, width: int) -> Canvas:
    """Draw the first cells of a tensor, those that share a statistic with one letter.

    Args:
        sharing: Which cells share one.
        width: Columns that there are, 24 or more.

    Returns:
        A picture of at most this width: samples side by side where the rank is 3 or more.
    """
    letters: dict[Ints, int] = {}
    if len(sharing.shape) < 3:
        return _panel(sharing, None, width, letters)
    samples = _first(sharing.shape[0], _SAMPLES)
    panels = [_panel(sharing, sample, width, letters) for sample in samples if sample is not None]
    beside = max((width - 4) // (panels[0].width + _GAP), 1)
    if None in samples or beside < len(panels):
        more = Canvas(1)
        more.put(2, 0, _MORE, "muted")
        panels = [*panels[: max(beside, 2)], more]
    return flowed(panels, width, _GAP)


def _first(size: Dim, most: int, block: int = 1) -> list[int | None]:
    """Return the first indexes of an axis, and None where some are left out.

    Args:
        size: Cells of the axis.
        most: How many are returned at most.
        block: How many neighbours belong together; some of each block are shown, then.
    """
    if not isinstance(size, int):
        return [*range(min(_UNKNOWN, most)), None]
    if size <= most:
        return list(range(size))
    blocks = min(_BLOCKS, (most - 1) // _OF_BLOCK)
    if block <= _OF_BLOCK or not blocks:
        return [*range(most), None]
    ends = range(0, min(size, blocks * block), block)
    shown = [each for end in ends for each in (end, end + 1, None, end + block - 1)]
    return shown if size <= blocks * block else [*shown, None]


def _rows(sharing: Sharing) -> Iterator[Ints | None]:
    """Yield the indexes on the axes from top to bottom, and None where some are left out."""
    axes = sharing.down
    most = int(_ROWS ** (1 / max(len(axes), 1)) + 1e-9)
    parts = [_first(sharing.shape[axis], most) for axis in axes]
    known = [[index for index in part if index is not None] for part in parts]
    before: Ints | None = None
    for index in product(*known):
        if before is not None and None in parts[-1] and index[:-1] != before[:-1]:
            yield None
        yield index
        before = index
    if any(None in part for part in parts):
        yield None


def _panel(sharing: Sharing, sample: int | None, width: int, letters: dict[Ints, int]) -> Canvas:
    """Draw a sample, or a tensor of one or two axes whole."""
    axes = f"axis {','.join(map(str, sharing.down))}" if sharing.down else ""
    rows = list(_rows(sharing))
    label = max(len(axes), *(len(_text(row)) for row in rows)) + 1
    columns, step = _columns(sharing, width - label)
    title = "" if sample is None else f"sample {sample}"
    over = f"axis {sharing.across}"
    canvas = Canvas(max(label + step * len(columns), len(title), label + 1 + len(over)))
    if title:
        canvas.put(0, 0, title, "heading")
    top = canvas.height
    canvas.put(top, label + 1, over, "muted")
    canvas.put(top + 1, 0, axes.rjust(label - 1), "muted")
    for number, column in enumerate(columns):
        text = _MORE if column is None else str(column)
        canvas.put(top + 1, label + step * number, text.rjust(step)[:step], "muted")
    for row in rows:
        top = canvas.height
        canvas.put(top, 0, _text(row).rjust(label - 1), "muted")
        for number, column in enumerate(columns if row is not None else ()):
            place = top, label + step * number
            if column is None:
                canvas.put(*place, _MORE.rjust(step), "muted")
                continue
            index = {0: sample or 0, **dict(zip(sharing.down, row or (), strict=True))}
            key = sharing.key(index | {sharing.across: column})
            letter = letters.setdefault(key, len(letters))
            name = ascii_letters[letter] if letter < len(ascii_letters) else "#"
            canvas.put(*place, name.rjust(step), _STYLES[letter % len(_STYLES)])
    return canvas


def _columns(sharing: Sharing, room: int) -> tuple[list[int | None], int]:
    """Return the indexes that are drawn from left to right, and the columns of each."""
    size = sharing.shape[sharing.across]
    block = sharing.blocks.get(sharing.across, size if isinstance(size, int) else 1)
    most = _COLUMNS
    while True:
        columns = _first(size, most, block)
        step = min(len(str(max(each or 0 for each in columns))) + 1, _WIDEST)
        if len(columns) * step <= room or most == 1:
            return columns, step
        most -= 1


def _text(row: Ints | None) -> str:
    return _MORE_BELOW if row is None else ",".join(map(str, row))
