"""Grains that are reduced and merged together come out as each by itself, bit for bit."""

import numpy as np
import pytest

from poolnorm_cli.kernels import gathering, grain_loops
from poolnorm_cli.kernels.deviations import deviations_of, deviations_of_parts
from poolnorm_cli.kernels.gathering import gather, whole_moments
from poolnorm_cli.kernels.moments import Moments, merge, moments_of, tree_reduce
from poolnorm_cli.kernels.native import compiled, loops


def _same(found: Moments, expected: Moments) -> None:
    assert (found.axes, found.count) == (expected.axes, expected.count)
    for one, other in ((found.mean, expected.mean), (found.squares, expected.squares)):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("special", [None, np.nan, np.inf, 1e300])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize(
    ("sample", "axes"),
    [((5, 3), (0, 1)), ((3, 4, 5), (0, 2, 3)), ((1, 6), (0, 2)), ((7,), (0,)), ((2, 3), (1, 2))],
)
def test_grains_together_are_as_alone(
    monkeypatch: pytest.MonkeyPatch,
    sample: tuple[int, ...],
    axes: tuple[int, ...],
    dtype: str,
    special: float | None,
) -> None:
    if special == 1e300 and dtype != "float64":
        pytest.skip("it has no such number")
    random = np.random.default_rng(3)
    x = (random.standard_normal((111, *sample)) + 30).astype(dtype)
    if special is not None:
        x[50].flat[0] = special
    rows = 3
    monkeypatch.setattr(gathering, "grain_rows", lambda _: rows)
    with np.errstate(all="ignore"):
        each = [moments_of(x[start : start + rows], axes) for start in range(0, len(x), rows)]
        for samples in (rows, 4 * rows, 37 * rows, len(x) - 1):
            part = x[:samples]
            alone = each[: samples // rows]
            if samples % rows:
                alone.append(moments_of(part[len(alone) * rows :], axes))
            expected = tree_reduce(merge, alone, alone[0])
            for cut in (rows, 5 * rows, 200):
                blocks = [part[start : start + cut] for start in range(0, samples, cut)]
                _same(gather(blocks, sample, axes), expected)


@pytest.mark.skipif(not compiled(), reason="there are no loops")
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape", [(1 << 17, 1), (70_000, 3), (4_000, 48), (300, 700)], ids=str)
def test_parts_of_an_axis_are_as_alone(shape: tuple[int, int], threads: int, dtype: str) -> None:
    x = (np.random.default_rng(4).standard_normal(shape) * 3 + 5).astype(dtype)
    length = shape[0] * 2 // 7

    before = loops().allow_threads(threads)
    try:
        found = deviations_of_parts(x, length)
    finally:
        loops().allow_threads(before)

    assert found is not None
    alone = [deviations_of(x[None, i : i + length]) for i in range(0, len(x), length)]
    for together, each in zip(found, zip(*alone, strict=True), strict=True):
        np.testing.assert_array_equal(together, np.concatenate(each))


@pytest.mark.skipif(not compiled(), reason="there are no loops")
@pytest.mark.parametrize("last", [0, 6, -2])
def test_a_last_part_that_is_none_is_refused(last: int) -> None:
    x, out = np.ones(40, np.float32), np.empty(2)

    with pytest.raises(ValueError, match="a last image"):
        loops().fold_moments(x, out, out, (2, 5, 1), "f", last)


@pytest.mark.skipif(not compiled(), reason="there are no loops")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((37, 5, 3, 7), (0, 1, 2)),
        ((37, 5, 30, 7), (0, 2, 3)),
        ((16, 3, 41), (0, 2)),
        ((16, 1, 41), (0, 2)),
        ((21, 600, 3), (0, 1)),
        ((1, 2, 9), (0, 2)),
        ((38, 9), (0,)),
        ((70, 4, 2, 60), (0, 2, 3)),
        ((9, 3, 2, 4, 6), (0, 3, 4)),
    ],
    ids=str,
)
@pytest.mark.parametrize("rows", [1, 2, 5, 1000])
def test_two_loops_give_what_is_gathered_grain_by_grain(
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    shape: tuple[int, ...],
    axes: tuple[int, ...],
    dtype: str,
) -> None:
    x = (np.random.default_rng(1).standard_normal(shape) * 3 + 7).astype(dtype)
    monkeypatch.setattr(gathering, "grain_rows", lambda _: rows)
    monkeypatch.setattr(grain_loops, "grain_rows", lambda _: rows)
    each = [moments_of(x[start : start + rows], axes) for start in range(0, len(x), rows)]

    found = whole_moments(x, axes)

    if found is None:  # NumPy adds what has a single cell in each grain
        assert (shape, rows) == ((38, 9), 1)
    else:
        _same(found, tree_reduce(merge, each, each[0]))


@pytest.mark.parametrize("odd", [np.nan, np.inf])
@pytest.mark.parametrize("axes", [(0, 1), (0, 2)])
def test_two_loops_leave_what_is_not_finite(odd: float, axes: tuple[int, ...]) -> None:
    x = np.ones((5, 6, 7), np.float32)
    x[3, 2, 1] = odd

    assert whole_moments(x, axes) is None
