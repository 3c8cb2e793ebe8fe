"""Pages of pictures of tensors: one with its statistics, two side by side, and where two differ."""

from typing import TYPE_CHECKING

from poolnorm_cli.engine.distribution import QUANTILES
from poolnorm_cli.engine.view import Room
from poolnorm_cli.errors import printable
from poolnorm_cli.pictures.canvas import Canvas, beside, flowed, stacked, text_width
from poolnorm_cli.pictures.tensor import legend, picture, scale_of
from poolnorm_cli.pictures.tensor_chart import histogram
from poolnorm_cli.pictures.tensor_colors import MARK, MARK_NAMES, MARKS, Scale, number
from poolnorm_cli.pictures.tensor_room import GAP, PANEL, Page
from poolnorm_cli.shapes import format_shape


if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolnorm_cli.engine.difference_picture import DifferencePicture
    from poolnorm_cli.engine.statistics import Extreme
    from poolnorm_cli.engine.thumbnail import Thumbnail

_LEAST_COLUMN = 38
"""Columns of what is said of one of several tensors, where there is so much room."""
_HISTOGRAM_ROWS, _SHORT_HISTOGRAM_ROWS = 5, 3
_FEW_VALUES = 16
"""Values up to which they can be seen one by one, so that nobody needs a histogram."""
_HIGH = 30
"""Rows of a screen from which on there are histograms below pictures that are compared."""


def tensor_page(thumbnail: "Thumbnail", page: Page, *, bare: bool = False) -> Canvas:
    """Draw a tensor, with its histogram and statistics beside or below it.

    Args:
        thumbnail: Its thumbnail, made for `page.room()`.
        page: The size of the page.
        bare: The picture alone.

    Returns:
        The page.
    """
    scale, room = scale_of([thumbnail]), page.room()
    drawn = _framed(thumbnail, scale, room)
    if bare:
        return _titled(drawn, thumbnail)
    head = _heading(thumbnail, scale, page.width)
    panel = _panel(thumbnail, min(PANEL, page.width))
    body = beside(drawn, panel, gap=GAP) if page.has_sides else stacked(drawn, panel)
    return _titled(stacked(head, body, gap=0), thumbnail)


def pair_page(
    thumbnails: "Sequence[Thumbnail]", page: Page, words: "Sequence[str]", *, own_scales: bool
) -> Canvas:
    """Draw tensors side by side, or below each other where that is too wide, on one scale.

    Args:
        thumbnails: Theirs, made for `page.half()`.
        page: The size of the page.
        words: Lines above them.
        own_scales: Each has a scale of its own.

    Returns:
        The page.
    """
    together = scale_of(thumbnails)
    scales = [scale_of([each]) if own_scales else together for each in thumbnails]
    whole = _side_by_side(thumbnails, scales, page, words)
    if not own_scales and (note := _narrow(thumbnails, together)):
        foot = Canvas(page.width)
        foot.write(note, "muted")
        whole = stacked(whole, foot, gap=1)
    return _titled(whole, *thumbnails)


def difference_page(found: "DifferencePicture", page: Page) -> Canvas:
    """Draw two tensors on one scale, and where they differ on another.

    Args:
        found: Their thumbnails, made for `page.half(3)`.
        page: The size of the page.

    Returns:
        The page.
    """
    pair = [found.first, found.second]
    together, apart = scale_of(pair), found.difference.distribution
    scales = [together, together, Scale(0.0, apart.high if apart else 0.0)]
    words = ["The values are the same."]
    if found.place is not None and found.values is not None:
        a, b = map(number, found.values)
        if a == b:
            a, b = map(repr, found.values)
        where = f"at {format_shape(found.place)}: {a} in a, {b} in b"
        known = apart is not None and apart.high > 0
        words = [f"The {'largest' if known else 'first'} difference is {where}."]
    thumbnails = [*pair, found.difference]
    return _titled(_side_by_side(thumbnails, scales, page, words), *thumbnails)


def _side_by_side(
    thumbnails: "Sequence[Thumbnail]",
    scales: "Sequence[Scale]",
    page: Page,
    words: "Sequence[str]",
) -> Canvas:
    room = page.half(len(thumbnails))
    head = Canvas(page.width)
    for text in words:
        head.write(text)
    if words:
        head.write()
    pairs = list(zip(thumbnails, scales, strict=True))
    drawn = [_framed(each, scale, room) for each, scale in pairs]
    widths = [min(max(each.width, _LEAST_COLUMN), room.columns) for each in drawn]
    heads = [_short_heading(*pair, width) for pair, width in zip(pairs, widths, strict=True)]
    tallest = max(each.height for each in heads) if page.has_sides else 0
    columns = [
        stacked(top, Canvas(width, tallest - top.height), shown, _account(each, width, page), gap=0)
        for each, top, shown, width in zip(thumbnails, heads, drawn, widths, strict=True)
    ]
    body = flowed(columns, page.width, gap=GAP) if page.has_sides else stacked(*columns)
    return stacked(head, body, gap=0) if words else body


def _narrow(thumbnails: "Sequence[Thumbnail]", scale: Scale) -> str | None:
    """Say where one of the tensors has next to nothing of the scale."""
    whole = scale.high - scale.low
    for each in thumbnails:
        found = each.distribution
        if found is not None and whole and found.high - found.low < whole / 10:
            return "One scale for all: --own-scale shows each on a scale of its own."
    return None


def _titled(canvas: Canvas, *thumbnails: "Thumbnail") -> Canvas:
    canvas.title = " and ".join(
        f"{printable(each.name)}, shape {format_shape(each.shape) or '()'}" for each in thumbnails
    )
    canvas.description = "; ".join(_sentence(each) for each in thumbnails)
    return canvas


def _sentence(thumbnail: "Thumbnail") -> str:
    found = thumbnail.distribution
    if found is None:
        return f"{printable(thumbnail.name)}: no finite values"
    mean = thumbnail.statistics.mean
    text = f"{printable(thumbnail.name)}: values {number(found.low)} to {number(found.high)}"
    return text + ("" if mean is None else f", mean {number(mean)}")


def _framed(thumbnail: "Thumbnail", scale: Scale, room: Room) -> Canvas:
    """Draw a picture with what explains its colours and marks below it."""
    drawn = picture(thumbnail, scale, room)
    parts = [drawn]
    view = thumbnail.view
    if view.kind in ("map", "image") and not view.rgb and thumbnail.distribution:
        parts.append(legend(scale, max(min(room.columns, max(drawn.width, 24)), 8)))
    marks = sorted(set(thumbnail.marks.reshape(-1).tolist()) - {0})
    if marks and view.kind != "number":
        line = Canvas(room.columns, 1)
        column = 0
        for mark in marks:
            column = line.put(0, column, MARKS[mark], MARK) + 1
            column = line.put(0, column, MARK_NAMES[mark], "text") + 2
        parts.append(line.trimmed())
    # As wide as its room, so that what is beside it does not depend on what is drawn.
    return stacked(Canvas(min(room.columns, max(part.width for part in parts))), *parts, gap=0)


def _heading(thumbnail: "Thumbnail", scale: Scale, width: int) -> Canvas:
    canvas = _short_heading(thumbnail, scale, width)
    canvas.write()
    return canvas


def shape_text(thumbnail: "Thumbnail") -> str:
    """Write the shape of a tensor as Keras does."""
    shape = thumbnail.shape
    inside = ", ".join(map(str, shape))
    return f"({inside},)" if len(shape) == 1 else f"({inside})"


def _facts(thumbnail: "Thumbnail", scale: Scale) -> list[str]:
    """Say what of the tensor is shown, and how."""
    view = thumbnail.view
    axes, facts = view.axes, []
    if axes.sample is not None and view.shape[axes.sample] > 1:
        facts.append(f"sample {view.sample} of {view.shape[axes.sample]}")
    if view.rgb:
        how = scale.as_is or f"{number(scale.low)} dark, {number(scale.high)} bright"
        facts.append(f"channels as red, green and blue ({how})")
    elif axes.channel is not None and view.shape[axes.channel] > 1:
        many, shown = view.shape[axes.channel], view.cells(axes.channel)
        if view.channel is not None:
            facts.append(f"channel {view.channel} of {many}")
        else:
            more = " (--channel N shows one)" if view.left else ""
            facts.append(f"channels 0 to {shown - 1} of {many}{more}")
    if axes.slices:
        count = len(thumbnail.cells)
        facts.append(f"slices 0 to {count - 1} of {count + view.left}")
    facts += _cell_facts(thumbnail)
    return facts


def _cell_facts(thumbnail: "Thumbnail") -> list[str]:
    """Say what a cell of the picture stands for, where it is for more than one item."""
    view = thumbnail.view
    down, across = view.factors
    if view.kind == "line":
        return [f"each point the range of {across} values"] if across > 1 else []
    if max(down, across) > 1:
        what = "largest" if thumbnail.largest else "mean"
        return [f"each cell the {what} of {down} x {across} values"]
    return []


def _short_heading(thumbnail: "Thumbnail", scale: Scale, width: int) -> Canvas:
    head = Canvas(width)
    name = printable(thumbnail.name)
    head.write(f"{name} {shape_text(thumbnail)} {thumbnail.dtype}", "heading")
    text = ", ".join(_facts(thumbnail, scale))
    if text:
        head.write(text[0].upper() + text[1:] + ".", "muted")
    return head


def _account(thumbnail: "Thumbnail", width: int, page: Page) -> Canvas:
    """Write a short account of the values of one of several tensors."""
    canvas = Canvas(width)
    found, stats = thumbnail.distribution, thumbnail.statistics
    if found is not None and thumbnail.view.kind != "number":
        mean, std = number(stats.mean or 0.0), number(stats.std or 0.0)
        ends = f"min {number(found.low)}, max {number(found.high)}"
        canvas.write(f"{ends}, mean {mean}, std {std}", "muted")
    if stats.nan or stats.inf:
        canvas.write(f"{stats.nan} NaN, {stats.inf} infinite")
    if found is not None and thumbnail.count > _FEW_VALUES and page.height > _HIGH:
        ends_of = (found.low, found.high)
        bars = histogram(found.counts, ends_of, min(width, PANEL), _SHORT_HISTOGRAM_ROWS)
        return stacked(canvas, bars, gap=0)
    return canvas


def _panel(thumbnail: "Thumbnail", width: int) -> Canvas:
    """Write the statistics, with a histogram below them."""
    canvas = Canvas(width)
    stats, found = thumbnail.statistics, thumbnail.distribution
    rows: list[tuple[str, str, str]] = [("values", f"{thumbnail.count:,}", "")]
    if thumbnail.dtype.startswith(("float", "bfloat")):
        rows += [("NaN", f"{stats.nan:,}", ""), ("infinite", f"{stats.inf:,}", "")]
    rows.append(("min", *_extreme(stats.minimum)))
    quantiles = [] if found is None else list(zip(QUANTILES, found.quantiles, strict=True))
    for share, value in quantiles:
        name = "median" if share == 0.5 else f"{round(share * 100)} %"
        rows.append((name, number(value), ""))
    rows.append(("max", *_extreme(stats.maximum)))
    if stats.mean is not None and stats.std is not None:
        rows += [("mean", number(stats.mean), ""), ("std", number(stats.std), "")]
    wide = max(text_width(value) for _, value, _ in rows)
    for name, text, place in rows:
        row = canvas.height
        canvas.put(row, 0, name, "muted")
        canvas.put(row, 10, f"{text:>{wide}}")
        column = 12 + wide
        if column + len(place) > width:  # a part of an index would be that of another value
            row, column = row + 1, max(width - len(place), 0)
        canvas.put(row, column, place, "muted")
    if found is None or sum(found.counts) == 0:
        return canvas
    if found.step > 1:
        canvas.write(f"(5 % to 95 % and bars: of one value in {found.step})", "muted")
    ends = (found.low, found.high)
    return stacked(canvas, histogram(found.counts, ends, width, _HISTOGRAM_ROWS))


def _extreme(extreme: "Extreme | None") -> tuple[str, str]:
    if extreme is None:
        return "-", ""
    value, index = extreme
    return number(value), f"at {format_shape(index)}"
