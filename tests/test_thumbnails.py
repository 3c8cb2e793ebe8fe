"""Small pictures of tensors: what stands in their cells, whatever the blocks they are made of."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolnorm_cli.engine import distribution, thumbnail as thumbnails
from poolnorm_cli.engine.thumbnail import Painter, Thumbnail, thumbnails as read
from poolnorm_cli.engine.view import Room, View, Wanted, view_of
from poolnorm_cli.errors import UsageError
from poolnorm_cli.tensors.sources import open_tensors


ROOM = Room(40, 20)


def painted(x: NDArray[Any], view: View, ends: list[int], *, largest: bool = False) -> Thumbnail:
    """Give a painter an array in pieces that end at these places."""
    painter = Painter(view, largest=largest)
    for start, stop in pairwise(sorted({0, *ends, x.size})):
        painter.add(x.reshape(-1)[start:stop])
    return painter.thumbnail("x", x.shape, x.dtype.name)


def normal(*shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(5).standard_normal(shape)


def test_a_cell_is_the_mean_of_its_items() -> None:
    x = normal(2, 90, 70, 1)
    view = view_of(x.shape, Wanted(ROOM, sample=1))
    made = painted(x, view, [])
    factor = view.factors[0]

    assert view.factors == (3, 3)
    want = [
        [x[1, y : y + 3, i : i + 3, 0].mean() for i in range(0, 70, 3)] for y in range(0, 90, 3)
    ]
    np.testing.assert_allclose(made.cells[0, :, :, 0], want, rtol=1e-12)
    assert factor * made.cells.shape[2] >= 70


@pytest.mark.parametrize(
    "shape",
    [(3, 50, 60, 3), (3, 50, 60, 4), (2, 5, 4, 12, 3), (2, 5, 4, 12, 9), (2, 500, 3), (90, 200)],
    ids=str,
)
@pytest.mark.parametrize("row_items", [1, 7, 1 << 16])
def test_how_the_tensor_is_cut_changes_nothing(
    shape: tuple[int, ...], row_items: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = normal(*shape)
    x.reshape(-1)[::97] = np.nan
    whole = painted(x, view_of(shape, Wanted(ROOM)), [])
    monkeypatch.setattr(thumbnails, "ROW_ITEMS", row_items)
    ends = np.random.default_rng(1).integers(0, x.size, 9).tolist()
    cut = painted(x, view_of(shape, Wanted(ROOM)), ends)

    np.testing.assert_allclose(cut.cells, whole.cells, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(cut.marks, whole.marks)
    assert cut.distribution == whole.distribution
    assert cut.statistics.minimum == whole.statistics.minimum
    assert cut.statistics.nan == whole.statistics.nan


@pytest.mark.parametrize("channels_first", [False, True])
def test_statistics_are_of_what_is_chosen(channels_first: bool) -> None:
    x = normal(3, 8, 9, 5)
    y = np.moveaxis(x, -1, 1).copy() if channels_first else x
    wanted = Wanted(ROOM, sample=-1, channel=3, channels_first=channels_first)
    made = painted(y, view_of(y.shape, wanted), [100, 700])
    chosen = x[2, :, :, 3]
    place = np.unravel_index(chosen.argmin(), chosen.shape)

    assert made.count == 72
    assert made.statistics.minimum is not None
    value, index = made.statistics.minimum
    assert value == chosen.min()
    assert index == ((2, 3, *place) if channels_first else (2, *place, 3))
    assert made.statistics.mean == pytest.approx(chosen.mean())
    np.testing.assert_array_equal(made.cells[0, :, :, 0], chosen)


def test_what_is_not_finite_marks_its_cell_and_is_left_out_of_the_mean() -> None:
    x = np.ones((1, 80, 80, 1), np.float32)
    x[0, 0, 0, 0], x[0, 5, 5, 0], x[0, 79, 79, 0] = np.nan, np.inf, -np.inf
    made = painted(x, view_of(x.shape, Wanted(ROOM)), [])

    assert made.marks[0, 0, 0] == thumbnails.NAN
    assert made.marks[0, 2, 2] == thumbnails.PLUS_INFINITY
    assert made.marks[0, -1, -1] == thumbnails.MINUS_INFINITY
    assert np.count_nonzero(made.marks) == 3
    np.testing.assert_array_equal(made.cells, 1)
    assert (made.statistics.nan, made.statistics.inf) == (1, 2)


@pytest.mark.parametrize("value", [1.7e308, -1.7e308, 5e-324])
def test_means_of_the_largest_and_smallest_numbers_are_numbers(value: float) -> None:
    x = np.full((1, 80, 80, 1), value)
    made = painted(x, view_of(x.shape, Wanted(ROOM)), [])

    np.testing.assert_allclose(made.cells, value, rtol=1e-12)


def test_a_line_has_the_range_of_its_items() -> None:
    x = normal(1, 1000, 1)
    made = painted(x, view_of(x.shape, Wanted(ROOM)), [333])

    assert made.view.kind == "line"
    assert made.view.factors[1] == 13
    assert made.lows is not None
    assert made.cells[0, 0, 3, 0] == x[0, 39:52].max()
    assert made.lows[0, 0, 3, 0] == x[0, 39:52].min()


def test_differences_have_the_largest_of_their_items() -> None:
    x = np.abs(normal(1, 80, 80, 1))
    made = painted(x, view_of(x.shape, Wanted(ROOM)), [], largest=True)

    assert made.cells[0, 1, 1, 0] == x[0, 2:4, 2:4].max()


def test_quantiles_and_histogram_are_exact_for_few_values_and_close_for_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = normal(4, 100, 100, 3)
    wanted = Wanted(ROOM, everything=True)
    exact = painted(x, view_of(x.shape, wanted), []).distribution
    monkeypatch.setattr(distribution, "KEPT_VALUES", 10_000)
    close = painted(x, view_of(x.shape, wanted), []).distribution

    assert exact is not None
    assert close is not None
    np.testing.assert_allclose(exact.quantiles, np.quantile(x, distribution.QUANTILES), rtol=1e-12)
    np.testing.assert_array_equal(exact.counts, np.histogram(x, exact.edges)[0])
    assert (exact.step, close.step) == (1, 13)
    assert (close.low, close.high) == (x.min(), x.max())
    np.testing.assert_allclose(close.quantiles, exact.quantiles, atol=0.05)


def test_whole_numbers_share_the_bins_evenly() -> None:
    x = np.tile(np.arange(100, dtype=np.int16), 6).reshape(1, 600)
    found = painted(x, view_of(x.shape, Wanted(ROOM)), []).distribution

    assert found is not None
    assert set(found.counts) == {24}


@pytest.mark.parametrize("shape", [(), (0,), (0, 4, 4, 3), (2, 0, 4, 3), (2, 4, 4, 0), (3, 0)])
def test_an_empty_tensor_has_an_empty_picture(shape: tuple[int, ...]) -> None:
    x = np.zeros(shape)
    np.save("x.npy", x)
    (tensor,) = open_tensors("x.npy")
    made = read(tensor, [view_of(shape, Wanted(ROOM))])[0]

    assert made.cells.size == x.size
    assert made.count == x.size


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", ">f4", "float16", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_dtype_and_order_is_read(dtype: str, order: Any) -> None:
    x = (100 * normal(3, 50, 60, 2)).astype(dtype) if dtype != "bool" else normal(3, 50, 60, 2) > 0
    np.save("x.npy", np.asarray(x, order=order))
    (tensor,) = open_tensors("x.npy")
    made = read(tensor, [view_of(x.shape, Wanted(ROOM, sample=1))])[0]
    factor = made.view.factors[0]
    cell = x[1, :factor, :factor].astype(np.float64).mean((0, 1))

    np.testing.assert_allclose(made.cells[:, 0, 0, 0], cell)
    assert made.statistics.maximum is not None
    assert made.statistics.maximum[0] == x[1].max()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Wanted(ROOM, sample=2), "--sample 2, and there are 2"),
        (Wanted(ROOM, channel=-4), "--channel -4, and there are 3"),
    ],
)
def test_what_is_not_there_is_refused(wanted: Wanted, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        view_of((2, 4, 4, 3), wanted)


def test_a_sheet_shows_as_many_channels_as_can_be_seen() -> None:
    few = view_of((1, 28, 28, 6), Wanted(ROOM))
    many = view_of((1, 28, 28, 512), Wanted(ROOM))

    assert (few.cells(3), few.left) == (6, 0)
    assert many.left == 512 - many.cells(3) > 0
    assert 28 / many.factors[0] > 9


def test_an_image_is_no_larger_than_the_one_beside_it() -> None:
    for before, after in (((1, 64, 64, 3), (1, 8, 8, 3)), ((1, 8, 8, 8, 1), (1, 4, 4, 4, 1))):
        first = view_of(before, Wanted(Room(100, 48)))
        second = view_of(after, Wanted(Room(100, 48), like=first))

        assert second.tile == first.tile


@pytest.mark.parametrize("shape", [(2, 3, 4, 5, 6, 3), (2, 7, 3, 4, 5, 6, 2)], ids=str)
def test_more_axes_are_more_slices(shape: tuple[int, ...]) -> None:
    x = normal(*shape)
    made = painted(x, view_of(shape, Wanted(Room(400, 200))), [1000])
    slices = x[0].reshape(-1, *shape[-3:])
    count = len(made.cells)

    assert count + made.view.left == len(slices)
    assert count == len(slices) or 32 < count <= 64
    if shape[-1] == 3:
        np.testing.assert_array_equal(made.cells, slices)
    else:
        np.testing.assert_array_equal(made.cells, slices[:count, ..., :1])
