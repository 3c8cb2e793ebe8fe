"""The rules of shapes in words: each formula with the numbers, or the names, of one input.

`shapes.py` computes; these say what it computed. A size that is not known is called n.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

from poolnorm_cli.shapes import Dim, Ints, Shape, adaptive_bounds_at, atom, counted, format_shape
from poolnorm_cli.windows import Placing, Window


MOST_SHOWN = 4
"""Windows, runs of cells or numbers of a vector that a line shows."""


def window_formula(length: Dim, placing: Placing) -> str:
    """Write how a window is placed on an axis: the formulas with their numbers.

    Args:
        length: Cells on the axis; may be a name, an expression or None.
        placing: The window as it was given.

    Returns:
        Part of a line: the parameters, the number of places, the pads if there may be any, and
        the cells that no place reaches.
    """
    name = "n" if length is None else length
    n, count = atom(name), placing.count_on(name)
    size, stride, extent = placing.size, placing.stride, placing.extent
    given = f"{_cells(length)}, window {size}, stride {stride}, {_given(placing)}"
    if placing.fixed is not None:
        low, high = placing.fixed
        sum_ = "".join(f" + {cells}" for cells in (low, high) if cells)
        room = f"({n}{sum_} - {extent})"
        if placing.ceil:
            begins = f"({n} + {low})" if low else n
            least = f"min(ceil({room} / {stride}) + 1, ceil({begins} / {stride}))"
            placed = f"{given}: {least} = {_places(count)}"
        else:
            placed = f"{given}: {room} // {stride} + 1 = {_places(count)}"
    else:
        low_pad, high_pad = placing.pads_on(name)
        number = isinstance(low_pad, int) and isinstance(high_pad, int)
        sum_ = f" = {low_pad + high_pad}" if number else ""  # type: ignore[operator] # numbers
        total = f"max(({count} - 1) * {stride} + {extent} - {n}, 0){sum_}"
        ends = f"{low_pad} before, {high_pad} after"
        placed = f"{given}: ceil({n} / {stride}) = {_places(count)}; pads {total}: {ends}"
    if isinstance(length, int):
        placed += unread_text(placing.on(length), length)
    return placed


def _given(placing: Placing) -> str:
    """Write how a window is placed apart from its size and stride."""
    apart = f"dilation {placing.dilation} (it reaches over {placing.extent}), "
    words = apart if placing.dilation > 1 else ""
    if placing.pads is None:
        words += f"padding '{placing.padding}'"
    else:
        words += "pads {} before, {} after".format(*placing.pads)
    return f"{words}, ceil mode" if placing.ceil else words


def unread_text(placed: Window, length: int) -> str:
    """Write which cells no place of a window reaches; nothing where all are read.

    Args:
        placed: The window.
        length: Cells on the axis.

    Returns:
        The end of a line: `; cells 26-27 never read`.
    """
    cells = placed.unread_count(length)
    if not cells:
        return ""
    runs = list(islice(placed.unread(length), MOST_SHOWN + 1))
    shown = [f"{a}" if b - a == 1 else f"{a}-{b - 1}" for a, b in runs[:MOST_SHOWN]]
    more = f" and more, {cells} in all," if len(runs) > MOST_SHOWN else ""
    return f"; {'cell' if cells == 1 else 'cells'} {', '.join(shown)}{more} never read"


def adaptive_formula(length: Dim, count: int) -> str:
    """Write how adaptive pooling places windows: the formulas, and the first of the bounds.

    Args:
        length: Cells on the axis; may be a name, an expression or None.
        count: Number of windows.

    Returns:
        Part of a line.
    """
    n = atom("n" if length is None else length)
    span = f"from floor(i * {n} / {count}) to ceil((i + 1) * {n} / {count})"
    text = f"{_cells(length)}, {counted(count, 'window')} {span}"
    if not isinstance(length, int):
        return text
    places = range(min(count, MOST_SHOWN))
    bounds = ["{}-{}".format(*adaptive_bounds_at(place, length, count)) for place in places]
    return f"{text}: {', '.join([*bounds, *(['...'] if count > MOST_SHOWN else [])])}"


def runs_text(runs: Sequence[tuple[int, int]]) -> str:
    """Write how many real cells a window has under its places.

    Args:
        runs: Of each run of places the number of cells, and how many places have it.

    Returns:
        Part of a line: `2 at place 0, 3 at places 1-12, 2 at place 13`.
    """
    parts, first = [], 0
    for cells, places in runs:
        last = first + places - 1
        parts.append(f"{cells} at {f'places {first}-{last}' if places > 1 else f'place {first}'}")
        first += places
    return ", ".join(parts)


def product(sizes: Iterable[Dim]) -> Dim:
    """Multiply sizes: a number, or an expression such as `784*N`; None where one is not known."""
    number, names = 1, list[str]()
    for size in sizes:
        if size is None:
            return None
        if isinstance(size, int):
            number *= size
        else:
            names.append(atom(size))
    if not names or number == 0:
        return number
    return "*".join([*([str(number)] if number != 1 else []), *names])


def cell_count_text(shape: Shape, axes: Ints) -> str:
    """Write how many cells statistics are taken over: `axes 0,1: 4 * 28 = 112 cells`.

    Args:
        shape: Shape of the input.
        axes: The axes that are reduced, 1 or more.

    Returns:
        Part of a line.
    """
    sizes = [shape[axis] for axis in axes]
    if len(axes) == 1:
        return f"axis {axes[0]}: {_cells(sizes[0])}"
    names: list[Dim] = ["n" if size is None else size for size in sizes]
    if sizes.count(None) > 1:  # two that are not known need not be the same
        names = ["?" if size is None else size for size in sizes]
    text = " * ".join(str(n) if n == "?" else atom(n) for n in names if n is not None)
    total = f" = {_cells(product(names))}" if "?" not in names else " cells"
    return f"axes {','.join(map(str, axes))}: {text}{total}"


def reduction_text(shape: Shape, axes: Ints) -> str:
    """Write which cells a statistic is taken over, and how many statistics there are.

    Args:
        shape: Shape of the input.
        axes: The axes that are reduced, 1 or more.

    Returns:
        Part of a line.
    """
    others = tuple(size for axis, size in enumerate(shape) if axis not in axes)
    each = f", one of each per place of ({format_shape(others)})" if others else ""
    return f"{cell_count_text(shape, axes)}{each}"


def weights_text(shapes: "dict[str, Ints]") -> list[str]:
    """Write the weights of a layer with their shapes, as one line; no line where it has none."""
    told = ", ".join(f"{name} ({format_shape(shape)})" for name, shape in shapes.items())
    return [f"weights: {told}"] if told else []


def _cells(length: Dim) -> str:
    if isinstance(length, int):
        return counted(length, "cell")
    return "n cells" if length is None else f"{length} cells"


def _places(count: Dim) -> str:
    return counted(count, "place") if isinstance(count, int) else f"{count} places"
