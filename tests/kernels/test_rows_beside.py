"""Rows come out as each does alone, and with any vectors of the processor, byte for byte."""

import numpy as np
import pytest

from poolnorm_cli.kernels import native


pytestmark = pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")

ROWS = 83  # some groups of those that are side by side, and a rest


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("items", [1, 2, 3, 4, 7, 15, 16, 17, 20, 23, 24])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_beside_others_are_as_alone(dtype: str, items: int, centered: bool) -> None:
    random = np.random.default_rng(items)
    x = (random.standard_normal((ROWS, items)) * 3 + 1e3).astype(dtype)
    largest = np.finfo(dtype).max
    for row, value in enumerate([np.nan, np.inf, largest / 2, 0.0, largest**-0.7, -np.inf]):
        x[7 * row + 3, row % items] = value
    gamma, beta = random.standard_normal((2, items))
    division = (centered, 1 / items, 1e-3 if centered else 0.0, 1e-12)
    loops = native.loops()

    for given in ((None, None), (gamma, None), (None, beta), (gamma, beta)):
        together, alone = np.empty_like(x), np.empty_like(x)
        loops.normalize_rows(x, together, *given, x.itemsize, division, (ROWS, 1, items, 1))
        for row in range(ROWS):
            one = (1, 1, items, 1)
            loops.normalize_rows(x[row], alone[row], *given, x.itemsize, division, one)
        assert together.tobytes() == alone.tobytes()


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("run", [1, 5])
@pytest.mark.parametrize("items", [1, 3, 12, 16, 20, 45, 96, 255, 260, 770, 5000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_are_the_same_with_any_vectors(
    dtype: str, items: int, run: int, centered: bool
) -> None:
    random = np.random.default_rng(items)
    x = (random.standard_normal((23, items * run)) * 3 + 1e2).astype(dtype)
    x[3, items // 2], x[5, 0], x[9] = np.nan, np.finfo(dtype).max, 0
    gamma, beta = random.standard_normal((2, items))
    division = (centered, 1 / x.shape[1], 1e-3 if centered else 0.0, 1e-12)
    loops, found = native.loops(), {}

    try:
        for bits in (0, 256, 512):
            y = np.empty_like(x)
            used = loops.use_vectors(bits)
            sizes = (len(x), 1, items, run)
            loops.normalize_rows(x, y, gamma, beta, x.itemsize, division, sizes)
            found[used] = y.tobytes()
    finally:
        loops.use_vectors(1024)

    assert len(set(found.values())) == 1


@pytest.mark.parametrize("rows", [16386, 32770])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_rows_with_weights_of_their_own_are_the_same_in_any_number_of_threads(
    dtype: str, rows: int
) -> None:
    """A thread's last part may be a single row: what it has in common with others is not asked."""
    random = np.random.default_rng(rows)
    x = (random.standard_normal((rows, 4)) * 3 + 1e2).astype(dtype)
    gamma, beta = random.standard_normal((2, x.size))
    kind = native.KINDS[dtype]
    loops, found = native.loops(), set()

    for threads in (1, 2, 3):
        y, before = np.empty_like(x), loops.allow_threads(threads)
        try:
            sizes = (rows, rows, 4, 1)
            loops.normalize_rows(
                x.view("u1"), y.view("u1"), gamma, beta, kind, (True, 0.25, 1e-3, 0.0), sizes
            )
        finally:
            loops.allow_threads(before)
        found.add(y.tobytes())

    assert len(found) == 1
