"""What of a tensor is shown, and how many of its items make one cell of the picture.

All of it follows from the shape and from the room that there is, so that a picture can be made of
blocks as they go by.
"""

from math import prod
from typing import Literal, NamedTuple

from poolnorm_cli.errors import UsageError
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import frozen


Kind = Literal["number", "line", "map", "image"]
MOST_LINES = 8
"""Channels up to which a signal is drawn as a line for each; more make a map."""
MOST_TILES = 64
"""Small pictures on one sheet."""
LEAST_TILE = 10
"""Cells that a side of a small picture has at least, where there is as much to show."""
LEAST_LINE_ROWS = 3
_LARGEST_ZOOM = 16
_LARGEST_MAP_ZOOM = 8


@frozen
class Room:
    """The room for a picture.

    Attributes:
        columns: Characters side by side. A character has one cell of an image across.
        rows: Lines of them. A line has two cells of an image, one above the other.
    """

    columns: int
    rows: int


@frozen
class Wanted:
    """What of a tensor is to be shown.

    Attributes:
        room: The room for the picture.
        sample: The sample; None for the first, or for all where rows are samples.
        channel: The channel; None for all of them.
        channels_first: Where channels stand.
        unbatched: There is no axis of samples.
        everything: Statistics are of the whole tensor, not of what is shown of it.
        like: The view of a tensor beside which this one is seen: images are no larger than those,
            and as many on a sheet.
    """

    room: Room
    sample: int | None = None
    channel: int | None = None
    channels_first: bool = False
    unbatched: bool = False
    everything: bool = False
    like: "View | None" = None


class Cut(NamedTuple):
    """What is taken of an axis: items `start` to `stop`, of which `factor` make one cell."""

    start: int
    stop: int
    factor: int = 1

    @property
    def cells(self) -> int:
        """How many cells there are; the last may be of fewer items."""
        return -(-(self.stop - self.start) // self.factor)


@frozen
class Axes:
    """Which axes of a tensor are which in its picture; None and () where there is none.

    Attributes:
        y: Downwards.
        x: To the right.
        sample: Of samples.
        channel: Of channels.
        slices: Of which each place is a picture of its own.
    """

    y: int | None = None
    x: int | None = None
    sample: int | None = None
    channel: int | None = None
    slices: Ints = ()


@frozen
class View:
    """What is shown of a tensor, and how.

    Attributes:
        kind: A number, lines, a map of rows and columns, or an image or several.
        shape: Shape of the tensor, with an axis of one sample where it has none.
        cuts: What the picture has of each axis.
        counted: What the statistics are of, likewise; their factors are 1.
        axes: Which axis is which.
        rgb: Three channels are the colours of one image.
        across: Pictures side by side on the sheet.
        zoom: Cells of the screen across and down for one cell of the picture.
        left: Pictures for which there is no room.
    """

    kind: Kind
    shape: Ints
    cuts: tuple[Cut, ...]
    counted: tuple[Cut, ...]
    axes: Axes
    rgb: bool = False
    across: int = 1
    zoom: tuple[int, int] = (1, 1)
    left: int = 0

    @property
    def sample(self) -> int | None:
        """The sample that is shown; None where all are, or where there are none."""
        axis = self.axes.sample
        return None if axis is None else self.cuts[axis].start

    @property
    def channel(self) -> int | None:
        """The one channel that is shown; None where it is not one of several."""
        axis = self.axes.channel
        if axis is None or self.shape[axis] < 2 or self.cuts[axis].stop > self.cuts[axis].start + 1:
            return None
        return self.cuts[axis].start

    def cells(self, axis: int | None) -> int:
        """Return the cells along an axis; 1 where there is no such axis."""
        return 1 if axis is None else self.cuts[axis].cells

    @property
    def tile(self) -> Room:
        """The room that each of its images takes."""
        width = self.cells(self.axes.x) * self.zoom[0]
        height = self.cells(self.axes.y) * self.zoom[1]
        return Room(width, -(-height // 2))

    @property
    def factors(self) -> tuple[int, int]:
        """Items of the tensor that one cell has down and across."""
        cuts = (None if axis is None else self.cuts[axis] for axis in (self.axes.y, self.axes.x))
        y, x = (1 if cut is None else min(cut.factor, cut.stop - cut.start) for cut in cuts)
        return max(y, 1), max(x, 1)


def view_of(shape: Ints, wanted: Wanted) -> View:
    """Decide what of a tensor is shown, and how small.

    Args:
        shape: Its shape.
        wanted: What was asked for.

    Returns:
        The view.

    Raises:
        UsageError: It has no such sample or channel.
    """
    shape = (1, *shape) if wanted.unbatched else shape or (1,)
    axes = _axes(shape, wanted)
    sample, channel = _chosen(shape, axes, wanted)
    counted = [Cut(0, size) for size in shape]
    for axis, index in ((axes.sample, sample), (axes.channel, channel)):
        if axis is not None and index is not None and shape[axis]:
            counted[axis] = Cut(index, index + 1)
    cuts = tuple(counted)
    if wanted.everything:
        counted = [Cut(0, size) for size in shape]
    view = View("number", shape, cuts, tuple(counted), axes)
    if prod(cut.cells for cut in cuts) <= 1 and len(shape) < 4:
        return view
    if axes.y is None:
        return _signal(view, wanted.room)
    if len(shape) == 2:
        return _map(view, wanted.room)
    return _image(view, wanted, channel)


def _axes(shape: Ints, wanted: Wanted) -> Axes:
    rank = len(shape)
    if rank == 1:
        return Axes(x=0)
    if rank == 2:
        return Axes(y=0, x=1) if wanted.sample is None else Axes(sample=0, x=1)
    channel = 1 if wanted.channels_first else rank - 1
    space = [axis for axis in range(1, rank) if axis != channel]
    x, y = space[-1], (space[-2] if len(space) > 1 else None)
    return Axes(y, x, 0, channel, tuple(space[:-2]))


def _chosen(shape: Ints, axes: Axes, wanted: Wanted) -> tuple[int | None, int | None]:
    """Return the sample and the channel; None where all are shown."""
    sample = wanted.sample if axes.sample is None else wanted.sample or 0
    channel = wanted.channel
    for word, index, axis in (("sample", sample, axes.sample), ("channel", channel, axes.channel)):
        if not index:
            continue
        if axis is None:
            what = f"--{word} {index}, and rank {len(shape)} has no axis of {word}s"
            raise UsageError(what, f"leave out --{word}")
        if not -shape[axis] <= index < shape[axis]:
            many = f"0 to {shape[axis] - 1}" if shape[axis] > 1 else "0"
            raise UsageError(f"--{word} {index}, and there are {shape[axis]}", f"give {many}")
    place = [
        index % shape[axis] if index is not None and axis is not None and shape[axis] else index
        for index, axis in ((sample, axes.sample), (channel, axes.channel))
    ]
    return place[0], place[1]


def _with(view: View, cuts: dict[int | None, Cut], **changes: object) -> View:
    """Return a view with other cuts of some axes."""
    from poolnorm_cli.values import replace

    new = tuple(cuts.get(axis, cut) for axis, cut in enumerate(view.cuts))
    return replace(view, cuts=new, **changes)


def _cut(view: View, axis: int, cells: int) -> Cut:
    """Take all of an axis that a view has, in at most so many cells."""
    start, stop, _ = view.cuts[axis]
    return Cut(start, stop, max(-(-(stop - start) // max(cells, 1)), 1))


def _signal(view: View, room: Room) -> View:
    """Draw a line for each channel, or a map where there are many of them."""
    channel, x = view.axes.channel, view.axes.x or 0
    lines = view.cells(channel)
    if lines <= min(MOST_LINES, max(room.rows // LEAST_LINE_ROWS, 1)):
        return _with(view, {x: _cut(view, x, 2 * room.columns)}, kind="line")
    axes = Axes(channel, x, view.axes.sample)
    turned = View(view.kind, view.shape, view.cuts, view.counted, axes)
    return _map(turned, room)


def _map(view: View, room: Room) -> View:
    """Fill the room with a map, whose cells need not be square."""
    y, x = view.axes.y or 0, view.axes.x or 0
    down, across = _cut(view, y, 2 * room.rows), _cut(view, x, room.columns)
    most = _LARGEST_MAP_ZOOM
    zoom_x = max(min(room.columns // max(across.cells, 1), most), 1)
    zoom_y = max(min(2 * room.rows // max(down.cells, 1), 4, zoom_x if zoom_x > 1 else 4), 1)
    zoom_y -= zoom_y % 2 if zoom_y > 1 else 0
    return _with(view, {y: down, x: across}, kind="map", zoom=(zoom_x, zoom_y))


class _Fit(NamedTuple):
    """How a picture fits: items to a cell, or cells of the screen for an item."""

    factor: int
    zoom: int


def _fit(height: int, width: int, room: Room) -> _Fit:
    down, across = max(2 * room.rows, 1), max(room.columns, 1)
    factor = max(-(-height // down), -(-width // across), 1)
    zoom = min(down // max(height, 1), across // max(width, 1), _LARGEST_ZOOM)
    if zoom > 2:
        zoom -= zoom % 2  # so that a cell has whole characters
    return _Fit(factor, max(zoom, 1))


def _image(view: View, wanted: Wanted, channel: int | None) -> View:
    """Draw an image, or a sheet of as many as fit."""
    axes = view.axes
    y, x, channels = axes.y or 0, axes.x or 0, axes.channel or 0
    height, width = view.cells(y), view.cells(x)
    rgb = view.cells(channels) == 3
    cuts: dict[int | None, Cut] = {}
    if axes.slices and not rgb and channel is None and view.shape[channels]:
        cuts[channels] = Cut(0, 1)  # slices of one channel
    planes = prod(view.cells(axis) for axis in axes.slices)
    if not axes.slices and not rgb:
        planes = view.cells(channels)
    like = wanted.like
    if like is not None and like.kind == "image" and _planes(like) + like.left == planes:
        shown, across = _planes(like), like.across
        fit = _fit(height, width, like.tile)
    else:
        shown, across, fit = _sheet(planes, height, width, wanted.room)
        if like is not None and like.kind == "image":
            fit = _fit(height, width, like.tile)
    cuts |= {y: _cut_by(view, y, fit.factor), x: _cut_by(view, x, fit.factor)}
    if shown < planes and not axes.slices:
        cuts[channels] = Cut(0, shown)
    elif shown < planes:
        cuts |= _first_slices(view, shown)
    zoom = (fit.zoom, fit.zoom)
    made = _with(view, cuts, kind="image", rgb=rgb, across=across, zoom=zoom)
    return _with(made, {}, left=planes - _planes(made))


def _planes(view: View) -> int:
    slices = prod(view.cells(axis) for axis in view.axes.slices)
    return slices if view.rgb or view.axes.slices else view.cells(view.axes.channel)


def _cut_by(view: View, axis: int, factor: int) -> Cut:
    start, stop, _ = view.cuts[axis]
    return Cut(start, stop, factor)


def _first_slices(view: View, shown: int) -> dict[int | None, Cut]:
    """Take at most so many slices: all of the last axes, and the first places of those before."""
    cuts: dict[int | None, Cut] = {}
    for axis in reversed(view.axes.slices):
        cuts[axis] = Cut(0, min(view.shape[axis], max(shown, 1)))
        shown //= max(view.shape[axis], 1)
    return cuts


def _sheet(planes: int, height: int, width: int, room: Room) -> tuple[int, int, _Fit]:
    """Find how many pictures are shown, how many side by side, and how each fits."""
    if planes <= 1:
        return planes, 1, _fit(height, width, room)
    least = min(LEAST_TILE, max(height, width))
    for count in range(min(planes, MOST_TILES), 0, -1):
        tiles = [_tiled(count, across, height, width, room) for across in range(1, count + 1)]
        best, across, fit = max(tiles, key=lambda tile: tile[:2])
        if best > 0 and -(-max(height, width) // fit.factor) >= least:
            return count, across, fit
    return 1, 1, _fit(height, width, room)


def _tiled(count: int, across: int, height: int, width: int, room: Room) -> tuple[float, int, _Fit]:
    """Say how large pictures are with so many side by side; each has a label and a gap."""
    down = -(-count // across)
    tile = Room((room.columns + 1) // across - 1, room.rows // down - 1)
    if tile.columns < 1 or tile.rows < 1:
        return 0.0, across, _Fit(1, 1)
    fit = _fit(height, width, tile)
    return fit.zoom / fit.factor, across, fit
