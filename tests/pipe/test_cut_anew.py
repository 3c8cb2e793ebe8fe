"""What comes in some pieces is cut into others, and no memory is used again too soon."""

import random
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.engine.layer_pass import LayerPass
from poolnorm_cli.engine.step_tensor import cut_anew
from poolnorm_cli.kernels.memory import acquire
from poolnorm_cli.layers import find
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.tensor import RowRange


Array = np.ndarray[Any, Any]


def in_pieces(items: Array, chance: random.Random) -> Iterator[Array]:
    """Yield items in pieces of any size, whose memory is used again as soon as it is released."""
    start = 0
    while start < items.size:
        size = min(chance.choice([1, 3, 6, 12, 12, 24]), items.size - start)
        piece = acquire((size,), items.dtype)
        piece[...] = items[start : start + size]
        start += size
        yield piece


def overlapping(rows: int, chance: random.Random, most: int) -> Iterator[RowRange]:
    """Yield ranges, some of which begin before the one before them ends."""
    start = stop = 0
    while stop < rows:
        start = max(stop - chance.randint(0, most), start)
        stop = min(stop + chance.randint(1, 5), rows)
        yield start, stop


@pytest.mark.parametrize("max_in_flight", [1, 2, 5])
@pytest.mark.parametrize("most", [0, 2])
@pytest.mark.parametrize("seed", range(8))
def test_slices_are_right_for_as_long_as_they_are_in_use(
    max_in_flight: int, most: int, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311
    rows, width = 60, 6
    items = np.arange(rows * width, dtype="f4")
    ranges = list(overlapping(rows, chance, most))
    expected = items.reshape(rows, width)

    cut = cut_anew(
        in_pieces(items, chance), iter(ranges), (rows, width), DTYPES["float32"], max_in_flight
    )

    held: deque[tuple[Array, RowRange]] = deque(maxlen=max_in_flight)
    for place, cells in zip(ranges, cut, strict=True):
        held.append((cells, place))
        for own, (start, stop) in held:
            np.testing.assert_array_equal(own, expected[start:stop])


def test_a_source_that_ends_early_is_not_silent() -> None:
    items = np.arange(10, dtype="f4")
    cut = cut_anew(iter([items]), iter([(0, 2), (2, 4)]), (4, 5), DTYPES["float32"], 1)

    assert len(list(islice(cut, 1))) == 1
    with pytest.raises(ValueError, match="10 items are missing"):
        next(cut)


def test_an_output_that_is_kept_is_not_the_memory_that_its_input_was_read_into() -> None:
    layer = find("pool", "max")(pool_size=(1,))  # type: ignore[call-arg]
    plan = LayerPass(layer, (4, 2, 3), "float32", "float32")
    read = np.empty((1, 2, 3), "f4")

    def blocks() -> Iterator[Array]:
        for number in range(4):
            read[...] = number
            yield read

    found = list(plan.outputs(blocks(), {}, None, kept=True))

    assert [float(each.max()) for each in found] == [0, 1, 2, 3]
