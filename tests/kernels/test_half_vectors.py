"""Loops over items of two bytes give the same bytes by vectors of each size, and without them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from poolnorm_cli.kernels import native
from poolnorm_cli.layers.batch_norm.layer import BatchNormalization
from poolnorm_cli.layers.group_norm import GroupNormalization
from poolnorm_cli.layers.layer_norm import LayerNormalization
from poolnorm_cli.layers.rms_norm import RMSNormalization
from poolnorm_cli.layers.unit_norm import UnitNormalization


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.layers.base import Layer


pytestmark = pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")

SHAPES = (
    (3, 9, 7, 24),
    (2, 5, 3, 3),
    (2, 6, 31, 33),
    (2, 3, 1037),
    (3, 700, 2),
    (2, 1, 12),
    (1, 2, 2500),
    (2, 9, 300),
)
LAYERS: tuple[Layer, ...] = (
    BatchNormalization(),
    BatchNormalization(axis=(1,)),
    BatchNormalization(axis=(1,), scale=False, center=False),
    LayerNormalization(),
    LayerNormalization(axis=(1, 2)),
    LayerNormalization(axis=(1,)),
    LayerNormalization(scale=False),
    LayerNormalization(center=False),
    LayerNormalization(scale=False, center=False),
    RMSNormalization(),
    RMSNormalization(axis=(1,)),
    UnitNormalization(),
    UnitNormalization(axis=(1,)),
    UnitNormalization(axis=(1, 2)),
    GroupNormalization(groups=1),
    GroupNormalization(groups=-1),
    GroupNormalization(groups=-1, axis=(1,)),
    GroupNormalization(groups=1, axis=(1,)),
)


@pytest.fixture
def sizes() -> Iterator[list[int]]:
    """Sizes of vectors that the processor has, 0 first; afterwards the largest are used."""
    loops = native.loops()
    yield [0, *(bits for bits in (256, 512, 1024) if loops.use_vectors(bits) == min(bits, 512))]
    loops.use_vectors(1024)


def _bits_of(kind: str, shape: tuple[int, ...], odd: float) -> Any:
    """Draw numbers with a large mean, among them so many of any bits at all."""
    random = np.random.default_rng(sum(shape))
    wide = np.float32(random.choice([1, 30])) * random.standard_normal(shape, np.float32) + 5
    wide[random.random(shape) < 0.1] = 0
    if kind == "float16":
        cells = wide.astype(np.float16).view(np.uint16)
    else:
        cells = (wide.view(np.uint32) >> 16).astype(np.uint16)
    any_bits = random.random(shape) < odd
    any_bits[1::2] = False
    cells[any_bits] = random.integers(0, 1 << 16, int(any_bits.sum()))
    return cells


def _weights(layer: Layer, shape: tuple[int, ...], factor: float) -> dict[str, memoryview]:
    random = np.random.default_rng(1)
    shapes = layer.weight_shapes(shape).items()
    made = {name: np.abs(random.standard_normal(size)) * factor + 0.1 for name, size in shapes}
    for weight in made.values():
        weight[random.random(weight.shape) < 0.1] = 0
    return {name: weight.data for name, weight in made.items()}


@pytest.mark.parametrize("odd", [0.004, 0.3])
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_vectors_give_the_bytes_that_there_are_without(
    sizes: list[int], kind: str, layer: Layer, odd: float
) -> None:
    for shape in SHAPES:
        for factor in (1.0, 1e33):
            x, weights = _bits_of(kind, shape, odd), _weights(layer, shape, factor)
            call = layer.loop_call(shape, kind, weights)
            assert call is not None
            made = []
            for size in sizes:
                native.loops().use_vectors(size)
                y = np.zeros(shape, np.uint16)
                assert call(x, y)
                made.append(y)

            for y in made[1:]:
                np.testing.assert_array_equal(y, made[0])


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    "three",
    [
        (7, 40, 1),
        (3, 1000, 1),
        (5, 784, 1),
        (2, 129, 3),
        (2, 50, 130),
        (6, 9, 5),
        (1, 21, 1500),
        (2, 1, 4),
        (1, 5001, 17),
        (3, 96, 49),
    ],
    ids=str,
)
def test_moments_by_vectors_have_the_same_bytes(
    sizes: list[int], kind: str, three: tuple[int, ...]
) -> None:
    x = _bits_of(kind, three, 0)
    x[0, -1, :1] = 0x7F80  # infinite, or not a number
    made = []
    for size in sizes:
        native.loops().use_vectors(size)
        mean, squares = np.full((2, three[0], three[2]), 7.0)
        native.loops().fold_moments(x, mean, squares, three, native.KINDS[kind])
        made.append((mean, squares))

    for pair in made[1:]:
        np.testing.assert_array_equal(pair, made[0])
