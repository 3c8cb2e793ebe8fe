"""Grains that are reduced and merged together come out as each by itself, bit for bit."""

import numpy as np
import pytest

from poolnorm_cli.kernels import gathering
from poolnorm_cli.kernels.gathering import gather
from poolnorm_cli.kernels.moments import Moments, merge, moments_of, tree_reduce


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
