"""Loops that take items of two bytes give what those of float32 give, rounded once."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.engine.array_loops import plan_of
from poolnorm_cli.engine.converting import converted_call
from poolnorm_cli.errors import UsageError
from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.halves import (
    narrow_bfloat16,
    narrow_float16,
    widen_bfloat16,
    widen_float16,
)
from poolnorm_cli.kernels.moments import moments_of
from poolnorm_cli.layers.adaptive_pooling import AdaptiveAveragePooling, AdaptiveMaxPooling
from poolnorm_cli.layers.batch_norm.layer import BatchNormalization
from poolnorm_cli.layers.global_pooling import GlobalAveragePooling, GlobalMaxPooling
from poolnorm_cli.layers.group_norm import GroupNormalization
from poolnorm_cli.layers.layer_norm import LayerNormalization
from poolnorm_cli.layers.min_pooling import MinPooling
from poolnorm_cli.layers.pads import Pads
from poolnorm_cli.layers.pooling import AveragePooling, MaxPooling
from poolnorm_cli.layers.rms_norm import RMSNormalization
from poolnorm_cli.layers.unit_norm import UnitNormalization


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.layers.base import Layer


pytestmark = pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")

CONVERSIONS = {
    "float16": (widen_float16, narrow_float16),
    "bfloat16": (widen_bfloat16, narrow_bfloat16),
}
SHAPES = (
    (3, 9, 7, 4),
    (2, 40, 30, 64),
    (700, 6, 5, 2),
    (2, 5003, 1),
    (1, 130, 6, 50),
    (2, 3, 9001),
    (2, 70, 90, 5),
    (1, 12, 14, 40, 6),
)
WIDE: dict[str, Any] = {"pool_size": (3,), "strides": (1,), "padding": "same"}
WINDOWS: tuple[dict[str, Any], ...] = (
    {"pool_size": (2,)},
    WIDE,
    {"pool_size": (11,), "strides": (2,), "padding": "same"},
    {"pool_size": (2,), "strides": (1,), "dilation_rate": (3,), "padding": "same"},
    {"pool_size": (40,), "strides": (7,), "padding": "same"},
)
LAYERS: tuple[Layer, ...] = (
    *(
        kind(**given, data_format=layout)
        for layout in ("channels_last", "channels_first")
        for kind in (MaxPooling, AveragePooling)
        for given in WINDOWS
    ),
    AveragePooling(pool_size=(3,), strides=(2,), pads=Pads(((1, 1),)), count_include_pad=True),
    AveragePooling(pool_size=(3,), padding="same", divisor_override=5),
    AdaptiveMaxPooling(output_size=(3,)),
    AdaptiveAveragePooling(output_size=(3,)),
    AdaptiveAveragePooling(output_size=(2,), data_format="channels_first"),
    *(
        kind(data_format=layout)
        for kind in (GlobalMaxPooling, GlobalAveragePooling)
        for layout in ("channels_last", "channels_first")
    ),
    BatchNormalization(),
    BatchNormalization(axis=(1,)),
    LayerNormalization(),
    LayerNormalization(axis=(1,)),
    RMSNormalization(),
    UnitNormalization(),
    UnitNormalization(axis=(1,)),
    GroupNormalization(groups=1),
    GroupNormalization(groups=1, axis=(1,)),
)


def _cells(kind: str, shape: tuple[int, ...]) -> Any:
    """Draw numbers of any size, a large mean, and in half of the samples no numbers."""
    random = np.random.default_rng(len(shape))
    wide = random.standard_normal(shape, np.float32) * 30 + 50
    odd = random.random(shape) < 0.002
    odd[::2] = False
    wide[odd] = random.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 6e4, 1e-7], odd.sum())
    narrow: Any = CONVERSIONS[kind][1](wide).copy()
    return narrow


def _weights(layer: Layer, shape: tuple[int, ...], factor: float) -> dict[str, memoryview]:
    random = np.random.default_rng(1)
    shapes = layer.weight_shapes(shape).items()
    made = {name: np.abs(random.standard_normal(size)) * factor + 0.1 for name, size in shapes}
    return {name: weight.data for name, weight in made.items()}


@pytest.mark.parametrize("factor", [1.0, 1e33], ids=["usual", "beyond float32"])
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
@pytest.mark.parametrize("kind", CONVERSIONS)
def test_two_bytes_give_what_float32_gives_rounded_once(
    kind: str, layer: Layer, factor: float
) -> None:
    widen, narrow = CONVERSIONS[kind]
    for shape in SHAPES:
        try:
            layer.output_shape(shape)
        except UsageError:  # the window is larger
            continue
        x, weights = _cells(kind, shape), _weights(layer, shape, factor)
        y = np.zeros([int(size or 0) for size in layer.output_shape(shape)], np.uint16)
        wide = np.zeros(y.shape, np.float32)
        call = layer.loop_call(shape, kind, weights)
        same = layer.loop_call(shape, "float32", weights)
        if call is None and len(shape) == 5:  # means over many planes and rows
            continue
        assert call is not None
        assert same is not None

        right = call(x, y)

        assert right == same(np.ascontiguousarray(widen(x)), wide)
        assert np.array_equal(y, narrow(wide).view(np.uint16)) or not right


@pytest.mark.parametrize("kind", CONVERSIONS)
def test_a_block_goes_through_the_loop_whole(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, shape = LayerNormalization(axis=(2, 3)), (9, 40, 30, 8)
    x, y = _cells(kind, shape), np.zeros(shape, np.uint16)
    weights = _weights(layer, shape, 1)
    call, per = converted_call(layer, shape, (kind, "float32", kind), weights)

    def convert(*_: object) -> None:
        raise AssertionError("a tile was converted")

    loops = native.loops()
    monkeypatch.setattr(loops, "convert", convert)
    assert call.serves(9 * per)
    assert call.run(x, y, 9 * per)
    assert y.any()


CHANNELS = ((3, 9, 7, 33), (2, 6, 5, 64), (3, 50, 16), (2, 3, 5, 6, 45), (5, 90, 2050))
PADS: dict[str, Any] = {"strides": (1,), "padding": "same"}
OF_CHANNELS: tuple[Layer, ...] = (
    *(
        kind(**given)
        for kind in (MaxPooling, MinPooling, AveragePooling)
        for given in (
            *({"pool_size": (size,), **PADS} for size in range(1, 10)),
            *({"pool_size": (size,)} for size in range(1, 8)),
            {"pool_size": (3,), "strides": (2,), "padding": "same"},
            {"pool_size": (2,), "dilation_rate": (2,), **PADS},
            {"pool_size": (1,), "strides": (3,)},
        )
    ),
    AveragePooling(pool_size=(3,), strides=(2,), pads=Pads(((1, 1),)), count_include_pad=True),
    AveragePooling(pool_size=(2,), padding="same", divisor_override=5),
    *(
        kind(output_size=(size,), data_format=layout)
        for layout in ("channels_last", "channels_first")
        for kind in (AdaptiveMaxPooling, AdaptiveAveragePooling)
        for size in (1, 3, 4, 7)
    ),
    GlobalMaxPooling(),
    GlobalMaxPooling(data_format="channels_first"),
)


@pytest.fixture(params=[256, 512])
def bits(request: pytest.FixtureRequest) -> Iterator[int]:
    """Return how long vectors are to be; afterwards they are again what the processor has."""
    if native.loops().use_vectors(request.param) != request.param:
        native.loops().use_vectors(1024)
        pytest.skip("this processor has no such vectors")
    yield request.param
    native.loops().use_vectors(1024)


@pytest.mark.parametrize("layer", OF_CHANNELS, ids=repr)
def test_vectors_of_each_length_give_the_same_bytes(layer: Layer, bits: int) -> None:
    loops = native.loops()
    for shape, kind in product(CHANNELS, CONVERSIONS):
        try:
            places = [int(size or 0) for size in layer.output_shape(shape)]
        except UsageError:  # the window is larger
            continue
        call = layer.loop_call(shape, kind, {})
        if call is None:  # means over many planes and rows
            continue
        for x in (_cells(kind, shape), *_zeros(kind, shape)):
            expected, found = np.zeros((2, *places), np.uint16)
            loops.use_vectors(0)
            right = call(x, expected)
            loops.use_vectors(bits)
            assert call(x, found) == right
            assert np.array_equal(found, expected) or not right


def _zeros(kind: str, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Draw zeros of either sign among the smallest numbers, and among others."""
    random = np.random.default_rng(len(shape))
    bits = random.integers(0, 2, shape) << 15 | random.integers(0, 2, shape)
    wide = random.standard_normal(shape, np.float32) * random.integers(-1, 2, shape)
    return bits.astype(np.uint16), CONVERSIONS[kind][1](wide.astype(np.float32)).copy()


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
@pytest.mark.parametrize("shape", [(30, 40, 30, 64), (2100, 50, 20)], ids=str)
def test_parts_of_a_call_give_what_all_of_it_gives(shape: tuple[int, ...], layer: Layer) -> None:
    try:
        places = [int(size or 0) for size in layer.output_shape(shape)]
    except UsageError:  # the window is larger
        return
    loops = native.loops()
    for kind in CONVERSIONS:
        x, weights = _cells(kind, shape), _weights(layer, shape, 1)
        call = layer.loop_call(shape, kind, weights)
        assert call is not None
        whole, parts = np.zeros((2, *places), np.uint16)
        right = call(x, whole)
        before = loops.allow_threads(3)
        try:
            assert call(x, parts) == right
        finally:
            loops.allow_threads(before)
        assert np.array_equal(whole, parts)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_an_array_goes_through_one_call_of_a_loop(layer: Layer) -> None:
    for kind in CONVERSIONS:
        plan = plan_of(layer, (900, 40, 20), (kind, kind), NUMPY, 2, training=False)[1]
        assert plan is not None
        assert plan.is_direct
        assert plan.ranges == [(0, plan.inner.shape[0])]


@pytest.mark.parametrize("kind", CONVERSIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_moments_are_those_of_float32(kind: str, shape: tuple[int, ...]) -> None:
    x = _cells(kind, shape)
    sizes = 1, shape[0] * shape[1], int(np.prod(shape[2:]))
    mean, squares = np.zeros((2, sizes[2]))
    wide = CONVERSIONS[kind][0](x)

    native.loops().fold_moments(x, mean, squares, sizes, native.KINDS[kind])

    same = moments_of(wide.reshape(sizes[1:]), (0,))
    lost = ~np.isfinite(squares)  # which NumPy computes again
    np.testing.assert_array_equal(mean[~lost], same.mean[0][~lost])
    np.testing.assert_array_equal(squares[~lost], same.squares[0][~lost])
