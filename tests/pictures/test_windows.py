"""Pictures of windows show the windows there are, fit their width, and look as they are to look."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, strategies as st

from poolnorm_cli.calculator.steps import follow
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.make_layer import make_layer
from poolnorm_cli.layers.pipeline import Pipeline, Step
from poolnorm_cli.pictures.canvas import Canvas
from poolnorm_cli.pictures.grid import _step, fits_grid, grid_picture
from poolnorm_cli.pictures.layer import layer_picture, places_of, sharing_of
from poolnorm_cli.pictures.pipeline import pipeline_picture
from poolnorm_cli.pictures.places import Places
from poolnorm_cli.pictures.windows import _layout, axis_picture
from poolnorm_cli.shapes import Shape, adaptive_bounds
from poolnorm_cli.windows import Padding, window
from tests.pictures.random_windows import BEYOND_KERAS
from tests.pictures.snapshots import CASES, PLACE, drawn, snapshots


SNAPSHOTS = dict(snapshots())


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_pictures_look_as_they_are_to_look(name: str) -> None:
    kept = (PLACE / name).read_text(encoding="utf-8")

    assert SNAPSHOTS[name] == kept, "python -m tests.pictures.snapshots, then look at it"


def test_no_snapshot_is_left_over() -> None:
    assert {path.name for path in PLACE.iterdir()} == set(SNAPSHOTS)


def layer_of(words: str, **parameters: object) -> Layer:
    return make_layer(find(*words.split()), dict(parameters), {}, "")


def places(layer: Layer, length: int) -> Places:
    (found,) = places_of(layer, (1, length, 1))
    return found


sizes = st.integers(1, 40)
PADDINGS = st.sampled_from(["valid", "same"])


def is_window(canvas: Canvas, row: int, column: int) -> bool:
    return canvas.rows[row][column].style in {"window", "overlap"}


@given(sizes, sizes, sizes, PADDINGS, st.integers(24, 120), st.integers(5, 30))
def test_every_window_cell_drawn_is_one_of_its_bounds(
    length: int, size: int, stride: int, padding: Padding, width: int, height: int
) -> None:
    if padding == "valid" and size > length:
        return
    layer = layer_of("pool max", pool_size=size, strides=stride, padding=padding)
    bounds = window(length, size, stride, padding).bounds(length)
    found = places(layer, length)
    canvas, _ = axis_picture(found, width, height)
    layout = _layout(found, width)

    assert canvas.width <= width
    assert canvas.height <= height
    for row in range(2, canvas.height):
        label = list(canvas.lines())[row][: layout.label].strip()
        if label != "⋮":
            first, end = bounds[int(label)]
            for column, cell in layout.columns():
                assert is_window(canvas, row, column) == (first <= cell < end)


@given(sizes, sizes, sizes, PADDINGS)
def test_the_second_line_counts_the_windows_that_read_a_cell(
    length: int, size: int, stride: int, padding: Padding
) -> None:
    if padding == "valid" and size > length:
        return
    layer = layer_of("pool max", pool_size=size, strides=stride, padding=padding)
    bounds = window(length, size, stride, padding).bounds(length)
    found = places(layer, length)

    for cell in range(length):
        reading = [place for place, (first, end) in enumerate(bounds) if first <= cell < end]
        assert list(found.readers(cell)) == reading


@given(sizes, sizes)
def test_uneven_windows_are_those_of_adaptive_pooling(length: int, count: int) -> None:
    found = places(layer_of("apool max", output_size=count), length)
    bounds = adaptive_bounds(length, count)

    assert [found.span(place) for place in range(found.count)] == bounds
    for cell in range(length):
        reading = [place for place, (first, end) in enumerate(bounds) if first <= cell < end]
        assert list(found.readers(cell)) == reading


@given(BEYOND_KERAS, sizes, st.integers(24, 120), st.integers(5, 30))
def test_cells_under_a_window_are_those_that_change_its_mean(
    layer: Layer, length: int, width: int, height: int
) -> None:
    try:
        layer.output_shape((1, length, 1))
    except UsageError:
        return
    means = layer.apply(np.eye(length)[..., None], {})[..., 0]  # sample i has a 1 in cell i alone
    found = places(layer, length)
    canvas, seen = axis_picture(found, width, height)
    layout = _layout(found, width)

    assert found.padded.stop >= max(length, found.span(found.count - 1)[1])
    for cell in range(length):
        assert list(found.readers(cell)) == list(np.flatnonzero(means[cell]))
    for row in range(2, canvas.height):
        label = list(canvas.lines())[row][: layout.label].strip()
        for column, cell in layout.columns() if label != "⋮" else ():
            under = 0 <= cell < length and means[cell, int(label)] > 0
            assert is_window(canvas, row, column) == under
    drawn = {each.glyph for line in canvas.rows for each in line}
    assert {mark.glyph for mark in seen if not mark.is_tile} <= drawn


SMALL = st.integers(1, 6)


@given(BEYOND_KERAS, SMALL, SMALL, st.integers(24, 100))
def test_a_grid_counts_the_cells_under_each_window(
    layer: Layer, height: int, across: int, width: int
) -> None:
    shape = (1, height, across, 1)
    try:
        layer.output_shape(shape)
    except UsageError:
        return
    rows, columns = places_of(layer, shape)
    if not fits_grid(rows, columns, width, 24):
        return
    canvas, seen = grid_picture(rows, columns, width, 24)
    cells = np.eye(height * across).reshape(-1, height, across, 1)
    read = np.count_nonzero(layer.apply(cells, {}), axis=0)[..., 0]

    assert canvas.width <= width
    for place in product(range(rows.count), range(columns.count)):
        assert rows.real_cells(place[0]) * columns.real_cells(place[1]) == read[place]
    drawn = {each.glyph for line in canvas.rows for each in line}
    assert {mark.glyph for mark in seen if not mark.is_tile} <= drawn


@given(SMALL, SMALL, SMALL, SMALL, PADDINGS, st.integers(24, 100))
def test_a_grid_marks_each_cell_by_the_windows_that_read_it(
    height: int, across: int, size: int, stride: int, padding: Padding, width: int
) -> None:
    if padding == "valid" and size > min(height, across):
        return
    layer = layer_of("pool average", pool_size=size, strides=stride, padding=padding)
    rows, columns = places_of(layer, (1, height, across, 1))
    if not fits_grid(rows, columns, width, 24):
        return
    canvas, _ = grid_picture(rows, columns, width, 24)

    assert canvas.width <= width
    step = _step(rows, columns)
    label = 2
    for row, column in product(range(height), range(across)):
        count = len(rows.readers(row)) * len(columns.readers(column))
        right = label + (column + columns.low) * step + step - 1
        glyph = canvas.rows[row + rows.low + 2][right].glyph
        if count == 0:
            assert glyph == "×"
        elif count > 1:
            assert glyph == str(count)[-1]
        else:
            assert glyph == "1" or glyph.isalpha()


LAYERS = st.sampled_from(sorted(CASES))


@given(LAYERS, st.integers(24, 220), st.integers(4, 70))
def test_every_picture_fits_its_width(name: str, width: int, height: int) -> None:
    canvas = drawn(name, width, height)

    assert canvas.width <= width
    assert canvas.title
    assert canvas.description
    assert all(line == line.rstrip() for line in canvas.lines())


HUGE = 2**63 - 1


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layer_of("pool max", pool_size=3, strides=2, padding="same"), (1, HUGE, HUGE, 1)),
        (layer_of("pool max", pool_size=HUGE, strides=1, padding="same"), (1, HUGE, 4, 1)),
        (layer_of("apool max", output_size=HUGE), (1, HUGE, 4, 1)),
        (layer_of("gpool max"), (1, HUGE, HUGE, HUGE, 1)),
        (layer_of("ln"), (HUGE, HUGE, HUGE)),
        (layer_of("gn", groups=2), (2, 3, HUGE - 1)),
    ],
)
def test_sizes_that_nobody_draws_are_drawn_at_once(layer: Layer, shape: Shape) -> None:
    canvas = layer_picture(layer, shape, 80, 24)

    assert canvas.width <= 80
    assert canvas.height < 60
    assert any(mark in "\n".join(canvas.lines()) for mark in "⋮…")
    steps = follow(Pipeline((Step(layer, "one", 1), Step(layer_of("unit"), "two", 2))), shape)
    assert pipeline_picture(steps, 80).width <= 80


@pytest.mark.parametrize("shape", [(None, None, None, 3), ("N", "H", "W", 3), (1, 8, None, 3)])
def test_a_size_that_is_no_number_is_asked_for(shape: Shape) -> None:
    with pytest.raises(UsageError) as caught:
        layer_picture(layer_of("pool max"), shape)

    assert "give numbers, as " in caught.value.fix


@pytest.mark.parametrize("shape", [(0, 3), (1, 0), (2, 0, 3), (0, 4, 4, 3)])
def test_nothing_is_drawn_as_nothing(shape: Shape) -> None:
    for layer in (layer_of("ln"), layer_of("unit"), layer_of("in", axis=-1)):
        assert "has no cells" in "\n".join(layer_picture(layer, shape, 60).lines())
    same = layer_of("pool max", padding="same")
    if len(shape) > 2:
        assert layer_picture(same, shape, 24).height


def test_padding_without_end_leaves_room_for_the_cells() -> None:
    layer = layer_of("pool max", pool_size=2**63 - 1, padding="same")
    lines = list(layer_picture(layer, (1, 5, 1), 60).lines())

    assert "      0 …  ░░ ░░ ██ ██ ██ ██ ██ ░░ ░░  …" in lines


def test_a_batch_of_any_size_is_drawn() -> None:
    assert layer_picture(layer_of("pool max"), ("N", 4, 4, 3)).height


@pytest.mark.parametrize(
    ("layer", "shape", "alike", "apart"),
    [
        (layer_of("bn"), (2, 3, 3, 4), {(0, 0, 0, 1), (1, 2, 2, 1)}, (0, 0, 0, 0)),
        (layer_of("bn", axis=1), (2, 3, 3, 4), {(0, 1, 0, 0), (1, 1, 2, 3)}, (0, 0, 0, 0)),
        (layer_of("ln"), (2, 3, 4), {(0, 1, 0), (0, 1, 3)}, (1, 1, 0)),
        (layer_of("ln", axis=(1, 2)), (2, 3, 4), {(0, 0, 0), (0, 2, 3)}, (1, 0, 0)),
        (layer_of("ln", axis=0), (5, 4), {(0, 2), (4, 2)}, (0, 1)),
        (layer_of("gn", groups=2), (2, 3, 4), {(0, 0, 2), (0, 2, 3)}, (0, 0, 1)),
        (layer_of("gn", groups=-1), (2, 3, 4), {(0, 0, 2), (0, 2, 2)}, (0, 0, 3)),
        (layer_of("in", axis=1), (2, 3, 4), {(0, 1, 0), (0, 1, 3)}, (0, 2, 0)),
        (layer_of("rms"), (2, 3), {(0, 0), (0, 2)}, (1, 0)),
        (layer_of("unit"), (2, 3), {(1, 0), (1, 2)}, (0, 0)),
        (layer_of("bn", virtual_batch_size=2), (4, 3), {(0, 1), (1, 1)}, (2, 1)),
    ],
)
def test_cells_that_share_a_statistic_have_one_key(
    layer: Layer, shape: Shape, alike: set[tuple[int, ...]], apart: tuple[int, ...]
) -> None:
    sharing = sharing_of(layer, shape)  # type: ignore[arg-type] # it is a normalization
    keys = {sharing.key(dict(enumerate(index))) for index in alike}

    assert len(keys) == 1
    assert sharing.key(dict(enumerate(apart))) not in keys
