"""Windows over items of two bytes along whole rows give the bytes of the loops for float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from poolnorm_cli.errors import UsageError
from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.halves import narrow_bfloat16, narrow_float16
from poolnorm_cli.layers.min_pooling import MinPooling
from poolnorm_cli.layers.pads import Pads
from poolnorm_cli.layers.pooling import AveragePooling, MaxPooling


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer


pytestmark = pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")

Random = np.random.Generator
SHAPES = (
    ((3, 40, 28), "channels_first"),
    ((2, 3, 28, 28), "channels_first"),
    ((3, 5, 7, 7), "channels_first"),
    ((2, 61, 53, 1), "channels_last"),
    ((2, 37, 45, 3), "channels_last"),
    ((1, 9, 1500, 2), "channels_last"),  # rows that are cut
    ((2, 5003, 4), "channels_last"),
    ((2, 11, 13, 19), "channels_last"),
    ((2, 6, 7, 33, 5), "channels_last"),
)
WINDOWS: tuple[dict[str, Any], ...] = (
    {"pool_size": 2},
    {"pool_size": 3, "strides": 1, "padding": "same"},
    {"pool_size": 3, "strides": 2, "padding": "same"},
    {"pool_size": 5, "strides": 1, "padding": "same"},
    {"pool_size": 4, "strides": 2},
    {"pool_size": 7, "strides": 1},
    {"pool_size": 2, "strides": 1, "dilation_rate": 3, "padding": "same"},
    {"pool_size": 1, "strides": 2},
)


def _layers(rank: int, layout: Any) -> list[Layer]:
    made: list[Layer] = []
    for window in WINDOWS:
        given: dict[str, Any] = {
            name: value if name == "padding" else (value,) * rank for name, value in window.items()
        }
        kinds = MaxPooling, AveragePooling, MinPooling
        made += [kind(**given, data_format=layout) for kind in kinds]
    three = (3,) * rank
    pads = Pads(((1, 1),) * rank)
    wider: tuple[dict[str, Any], ...] = (
        {"pads": pads, "count_include_pad": True},
        {"divisor_override": 3000},
    )
    made += [
        AveragePooling(pool_size=three, strides=(2,) * rank, data_format=layout, **more)
        for more in wider
    ]
    return [*made, AveragePooling(pool_size=three, data_format=layout, divisor_override=7)]


def _values(random: Random, shape: tuple[int, ...], values: str) -> np.ndarray[Any, Any]:
    x = random.standard_normal(shape).astype(np.float32)
    if values == "zeros":
        return np.where(random.random(shape) < 0.7, np.copysign(np.float32(0), x), x)
    if values == "small":
        return x * np.float32(2.0) ** random.integers(-130, 100, shape).astype(np.float32)
    return x * 30


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize("values", ["plain", "zeros", "small"])
@pytest.mark.parametrize(("shape", "layout"), SHAPES, ids=str)
def test_rows_that_are_joined_whole_have_the_bytes_of_parts(
    shape: tuple[int, ...], layout: str, values: str, kind: str
) -> None:
    random = np.random.default_rng(11)
    narrow = narrow_float16 if kind == "float16" else narrow_bfloat16
    with np.errstate(over="ignore"):
        x: Any = narrow(_values(random, shape, values)).view(np.uint16).copy()
    for layer in _layers(len(shape) - 2, layout):
        try:
            sizes = [int(size or 0) for size in layer.output_shape(shape)]
        except UsageError:  # a window has no cell
            continue
        call = layer.loop_call(shape, kind, {})
        found: list[Any] = []
        if call is None:
            continue
        try:
            for bits in (0, 512):
                native.loops().use_vectors(bits)
                y = np.zeros(sizes, np.uint16)
                found.append((call(x, y), y))
        finally:
            native.loops().use_vectors(1024)
        assert found[0][0] == found[1][0]
        if found[0][0]:
            np.testing.assert_array_equal(found[1][1], found[0][1], str(layer))


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize("value", [0x7FC1, 0xFFC1, 0x7F81])
def test_one_item_that_is_no_number_is_kept(value: int, kind: str) -> None:
    x = np.full((2, 45, 33, 3), 0x3C00, np.uint16)
    x[1, 20, 30, 1] = value
    layer = MaxPooling(pool_size=(3,), strides=(2,), padding="same")
    sizes = [int(size or 0) for size in layer.output_shape(x.shape)]
    call = layer.loop_call(x.shape, kind, {})
    found = []
    assert call is not None
    try:
        for bits in (0, 512):
            native.loops().use_vectors(bits)
            y = np.zeros(sizes, np.uint16)
            assert call(x, y)
            found.append(y)
    finally:
        native.loops().use_vectors(1024)
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != 0x3C00).any()


@pytest.mark.parametrize("by", range(1, 26))
def test_quotients_are_those_of_a_division(by: int) -> None:
    bits = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)
    for kind, most in (("float16", 0x7C00), ("bfloat16", 0x7F80)):
        x = bits[(bits & 0x7FFF) < most].copy().reshape(1, -1, 1)
        x = np.concatenate([x, x[:, ::-1] ^ 0x55], axis=2).reshape(1, -1, 1)
        x = np.where((x & 0x7FFF) < most, x, 0).astype(np.uint16)
        layer = AveragePooling(pool_size=(2,), strides=(1,), divisor_override=by)
        call = layer.loop_call(x.shape, kind, {})
        y = np.zeros((1, x.size - 1, 1), np.uint16)
        assert call is not None
        finite = call(x, y)
        if kind == "bfloat16" and not finite:
            x = np.where((x & 0x7FFF) < 0x7F00, x, 0).astype(np.uint16)
            assert call(x, y)
        wide = (
            x.view(np.float16).astype(np.float32)
            if kind == "float16"
            else (x.astype(np.uint32) << 16).view(np.float32)
        )
        mean = (wide[:, :-1] + wide[:, 1:]) / np.float32(by)
        narrow = narrow_float16 if kind == "float16" else narrow_bfloat16
        np.testing.assert_array_equal(y, narrow(mean).view(np.uint16))
